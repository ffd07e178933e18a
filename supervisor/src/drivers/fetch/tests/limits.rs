//! What a download may cost: bytes counted against budgets, room on the disk, speed.

use super::*;

/// No request asks for more of these images.
const SEGMENT: usize = 256 * 1024;

/// A download with budgets, from a server that does one thing per connection.
struct Metered {
    case: Case,
    url: String,
    image: Vec<u8>,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Metered {
    async fn with(limits: Limits, acts: Vec<Act>) -> Self {
        let (address, requests) = serve_noting(acts).await;
        let mut case = case();
        case.fetch.settings.limits = limits;
        Self {
            case,
            url: format!("http://{address}/worker"),
            image: image(),
            requests,
        }
    }

    /// The next try, and the ranges it asked for.
    async fn again(&mut self) -> (Result<Slot, FetchFault>, Vec<String>) {
        self.case.order(self.url.clone(), &self.image);
        let (ended, _) = self.case.end().await;
        let mut ranges = Vec::new();
        while let Ok(request) = self.requests.try_recv() {
            assert!(!request.contains("if-range"), "{request}");
            let range = request
                .lines()
                .find_map(|line| line.strip_prefix("range: "));
            ranges.push(range.unwrap_or_default().to_owned());
        }
        (ended, ranges)
    }

    /// The supervisor ends and another one begins, with the same folder, so many days later.
    fn restart(&mut self, days: u64) {
        let budget = self.case.layout.budget();
        let mut account: serde_json::Value =
            serde_json::from_slice(&fs::read(&budget).unwrap()).unwrap();
        account["day"] = (account["day"].as_u64().unwrap() - days).into();
        fs::write(&budget, account.to_string()).unwrap();
        let (events, happened) = mpsc::channel(4);
        let settings = self.case.fetch.settings.clone();
        self.case.fetch = Fetch::new(settings, self.case.layout.clone(), events);
        self.case.happened = happened;
    }

    fn arrived(&self, ended: Result<Slot, FetchFault>) {
        let slot = ended.unwrap();
        assert_eq!(fs::read(self.case.layout.image(&slot)).unwrap(), self.image);
        assert_eq!(self.case.left(), ["2-1.0.7"]);
    }
}

/// A day that ends in the middle of a test would have its bytes twice.
async fn away_from_midnight() {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let left = 86_400 - wall.unwrap().as_secs() % 86_400;
    if left < 60 {
        tokio::time::sleep(Duration::from_secs(left)).await;
    }
}

fn per_update(budget: usize) -> Limits {
    Limits {
        budget: Some(budget as u64),
        ..Limits::default()
    }
}

fn per_day(budget: usize) -> Limits {
    Limits {
        budget_per_day: Some(budget as u64),
        ..Limits::default()
    }
}

/// A good answer about this range, with these lines in its head, of which so many bytes are sent.
fn range(image: &[u8], from: usize, until: usize, lines: &str, sent: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 206 X\r\n{lines}Connection: close\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\n\r\n",
        until - 1,
        image.len(),
        until - from,
    );
    [head.as_bytes(), &image[from..from + sent]].concat()
}

fn part(from: usize, until: usize) -> Act {
    Act::Say(range(&image(), from, until, "", until - from))
}

/// The same, cut after so many bytes.
fn cut(from: usize, until: usize, sent: usize) -> Act {
    Act::Say(range(&image(), from, until, "", sent))
}

const SIZE: usize = 300_000;

#[tokio::test]
async fn with_a_budget_every_request_is_a_range_from_the_first_byte_on() {
    let acts = vec![part(0, SEGMENT), part(SEGMENT, SIZE)];
    let mut metered = Metered::with(per_update(SIZE), acts).await;
    let (ended, ranges) = metered.again().await;
    metered.arrived(ended);
    assert_eq!(ranges, ["bytes=0-262143", "bytes=262144-299999"]);
}

#[tokio::test]
async fn an_update_larger_than_its_budget_is_ended_before_anything_is_asked_for() {
    let mut metered = Metered::with(per_update(SIZE - 1), Vec::new()).await;
    let (ended, ranges) = metered.again().await;
    let budget = SIZE as u64 - 1;
    assert_eq!(ended, Err(FetchFault::OverBudget { budget }));
    assert_eq!(ranges, Vec::<String>::new());
    assert_eq!(metered.case.left(), Vec::<String>::new());
}

#[tokio::test]
async fn the_bytes_of_a_day_are_fetched_and_no_more_and_the_part_stays_for_the_next() {
    away_from_midnight().await;
    let ranges = [(0, 120_000), (120_000, 240_000), (240_000, SIZE)];
    let acts = ranges.map(|(from, until)| part(from, until)).into();
    let mut metered = Metered::with(per_day(120_000), acts).await;
    let spent = Err(FetchFault::DaySpent { budget: 120_000 });
    assert_eq!(
        metered.again().await,
        (spent.clone(), vec!["bytes=0-119999".to_owned()])
    );
    assert_eq!(metered.again().await, (spent.clone(), Vec::new()));
    metered.restart(0);
    assert_eq!(metered.again().await, (spent.clone(), Vec::new()));
    metered.restart(1);
    assert_eq!(
        metered.again().await,
        (spent, vec!["bytes=120000-239999".to_owned()])
    );
    metered.restart(1);
    let (ended, ranges) = metered.again().await;
    metered.arrived(ended);
    assert_eq!(ranges, ["bytes=240000-299999"]);
}

#[tokio::test]
async fn what_an_orderly_end_cut_off_is_given_back() {
    // There is not a byte to spare.
    let acts = vec![
        cut(0, SEGMENT, 100_000),
        cut(100_000, SIZE, 0),
        part(100_000, SIZE),
    ];
    let mut metered = Metered::with(per_update(SIZE), acts).await;
    for _ in 0..2 {
        let fault = metered.again().await.0.unwrap_err();
        assert!(
            matches!(fault, FetchFault::Short { got: 100_000, .. }),
            "{fault:?}"
        );
    }
    metered.restart(0);
    let (ended, ranges) = metered.again().await;
    metered.arrived(ended);
    assert_eq!(ranges, ["bytes=100000-299999"]);
}

#[tokio::test]
async fn what_a_silent_server_may_still_have_on_its_way_stays_spent() {
    let hangs = || Act::Hang(range(&image(), 0, SEGMENT, "", 100_000));
    let budget = SEGMENT + SIZE - 100_000;
    let acts = vec![hangs(), part(100_000, SIZE)];
    let mut metered = Metered::with(per_update(budget), acts).await;
    let impatient = Duration::from_millis(300);
    metered.case.fetch.settings.stall_limit = impatient;
    let fault = metered.again().await.0.unwrap_err();
    assert!(matches!(fault, FetchFault::Stalled { .. }), "{fault:?}");
    metered.case.fetch.settings.stall_limit = Duration::from_secs(20);
    let (ended, _) = metered.again().await;
    metered.arrived(ended);

    let budget = budget as u64 - 1;
    let mut metered = Metered::with(per_update(budget as usize), vec![hangs()]).await;
    metered.case.fetch.settings.stall_limit = impatient;
    assert!(metered.again().await.0.unwrap_err().may_pass());
    assert_eq!(
        metered.again().await,
        (Err(FetchFault::OverBudget { budget }), Vec::new())
    );
    assert_eq!(metered.case.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_is_not_there_costs_nothing() {
    let mut metered = Metered::with(per_update(SIZE), Vec::new()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    metered.url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    for _ in 0..3 {
        let fault = metered.again().await.0.unwrap_err();
        assert!(matches!(fault, FetchFault::Connection(_)), "{fault:?}");
    }
    let acts = vec![part(0, SEGMENT), part(SEGMENT, SIZE)];
    let (address, requests) = serve_noting(acts).await;
    (metered.url, metered.requests) = (format!("http://{address}/"), requests);
    let (ended, _) = metered.again().await;
    metered.arrived(ended);
}

#[tokio::test]
async fn the_words_of_errors_and_redirects_cost_their_length() {
    let words = "x".repeat(700);
    let says = |status: &str| {
        let length = words.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{words}");
        Act::Say(head.into_bytes())
    };
    for spare in [1400, 1399] {
        let acts = vec![
            says("503 X"),
            says("302 X\r\nLocation: /elsewhere"),
            part(0, SEGMENT),
            part(SEGMENT, SIZE),
        ];
        let mut metered = Metered::with(per_update(SIZE + spare), acts).await;
        assert_eq!(metered.again().await.0, Err(FetchFault::Status(503)));
        let (ended, ranges) = metered.again().await;
        if spare == 1400 {
            metered.arrived(ended);
            assert_eq!(ranges.len(), 3, "it is led elsewhere once: {ranges:?}");
        } else {
            let budget = (SIZE + spare) as u64;
            assert_eq!(ended, Err(FetchFault::OverBudget { budget }));
        }
    }
}

#[tokio::test]
async fn a_server_that_heeds_no_ranges_is_left_unless_the_whole_is_allowed() {
    let image = image();
    let whole = || Act::Say(answer(image.len(), &image));
    let mut metered = Metered::with(per_update(10 * SIZE), vec![whole()]).await;
    let fault = metered.again().await.0.unwrap_err();
    assert!(
        matches!(&fault, FetchFault::Unfit { why } if why.contains("all 300000")),
        "{fault:?}"
    );
    assert_eq!(metered.case.left(), Vec::<String>::new());

    let small = image[..SEGMENT].to_vec();
    let acts = vec![Act::Say(answer(small.len(), &small))];
    let mut metered = Metered::with(per_update(SEGMENT), acts).await;
    metered.image = small;
    let (ended, _) = metered.again().await;
    metered.arrived(ended);
}

#[tokio::test]
async fn a_server_that_sends_more_than_was_asked_for_is_left() {
    let image = image();
    // It says so: that is no range that was asked for.
    let mut metered = Metered::with(per_day(1000), vec![part(0, 2000)]).await;
    let fault = metered.again().await.0.unwrap_err();
    assert!(matches!(fault, FetchFault::Unfit { .. }), "{fault:?}");
    // It does not say so.
    let head = format!("HTTP/1.1 206 X\r\nContent-Range: bytes 0-999/{SIZE}\r\n\r\n");
    let acts = vec![Act::Say([head.as_bytes(), &image[..1001]].concat())];
    let mut metered = Metered::with(per_day(1000), acts).await;
    let fault = metered.again().await.0.unwrap_err();
    assert!(
        matches!(&fault, FetchFault::Unfit { why } if why.contains("more bytes")),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_server_that_gives_less_than_was_asked_for_is_asked_for_the_rest() {
    let acts = vec![part(0, 1000), part(1000, 263_144), part(263_144, SIZE)];
    let mut metered = Metered::with(per_update(SIZE), acts).await;
    let (ended, ranges) = metered.again().await;
    metered.arrived(ended);
    assert_eq!(
        ranges,
        ["bytes=0-262143", "bytes=1000-263143", "bytes=263144-299999"]
    );
}

#[tokio::test]
async fn content_that_changed_between_two_ranges_starts_over() {
    let image = image();
    let tagged = |from: usize, until: usize, tag: &str| {
        let lines = format!("ETag: \"{tag}\"\r\n");
        Act::Say(range(&image, from, until, &lines, until - from))
    };
    let acts = vec![
        tagged(0, SEGMENT, "a"),
        tagged(SEGMENT, SIZE, "b"),
        tagged(0, SEGMENT, "b"),
        tagged(SEGMENT, SIZE, "b"),
    ];
    let mut metered = Metered::with(per_update(3 * SIZE), acts).await;
    let (ended, ranges) = metered.again().await;
    metered.arrived(ended);
    assert_eq!(ranges.len(), 4);
    assert_eq!(ranges[2], "bytes=0-262143");
}

#[tokio::test]
async fn one_connection_serves_all_ranges_of_a_server_that_keeps_it() {
    let image = image();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = image.clone();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for (from, until) in [(0, SEGMENT), (SEGMENT, SIZE)] {
            read_request(&mut stream).await;
            let answer = range(&sent, from, until, "", until - from);
            let answer = String::from_utf8_lossy(&answer[..200])
                .find("Connection")
                .map(|at| {
                    let mut answer = answer.clone();
                    answer.drain(at..at + "Connection: close\r\n".len());
                    answer
                });
            stream.write_all(&answer.unwrap()).await.unwrap();
        }
    });
    let mut metered = Metered::with(per_update(SIZE), Vec::new()).await;
    metered.url = format!("http://{address}/");
    let (ended, _) = metered.again().await;
    metered.arrived(ended);
    served.await.unwrap();
}

#[tokio::test]
async fn a_signature_beside_the_image_is_counted_too() {
    let missing = Act::Say(b"HTTP/1.1 404 X\r\nContent-Length: 9\r\n\r\nnot there".to_vec());
    let mut metered = Metered::with(per_update(10 * SIZE), vec![missing]).await;
    metered.case.fetch.settings.vouching.require_signature = true;
    let (ended, ranges) = metered.again().await;
    assert_eq!(ended, Err(FetchFault::Unsigned));
    let last = supervisor_core::seal::Seal::LONGEST_TEXT - 1;
    assert_eq!(ranges, [format!("bytes=0-{last}")]);
    let account = fs::read(metered.case.layout.budget()).unwrap();
    let account: serde_json::Value = serde_json::from_slice(&account).unwrap();
    assert_eq!(account["of_update"], 9, "{account}");
}

#[tokio::test]
async fn a_block_is_paid_for_before_it_is_wanted_and_none_is_smaller_than_the_platform_gives() {
    away_from_midnight().await;
    for (spare, wanted) in [
        (0, vec![]),
        (255, vec![]),
        (256, vec![256]),
        (1000, vec![1000]),
    ] {
        let mut metered = Metered::with(per_day(64 * 1024 + spare), Vec::new()).await;
        let case = &mut metered.case;
        case.order_blocks(&metered.image);
        for size in std::iter::once(64 * 1024).chain(wanted) {
            let block = case.wants().await;
            assert_eq!(block.size, size);
            let account = fs::read(case.layout.budget()).unwrap();
            let account: serde_json::Value = serde_json::from_slice(&account).unwrap();
            let had = block.offset + u64::from(block.size);
            assert_eq!(account["of_day"], had, "{account}");
            case.give(&metered.image, &block);
        }
        let budget = 64 * 1024 + spare as u64;
        assert_eq!(case.end().await.0, Err(FetchFault::DaySpent { budget }));
    }
}

#[tokio::test]
async fn without_a_budget_nothing_is_counted_or_written_down() {
    let image = image();
    let acts = vec![Act::Say(answer(image.len(), &image))];
    let mut metered = Metered::with(Limits::default(), acts).await;
    let (ended, ranges) = metered.again().await;
    metered.arrived(ended);
    assert_eq!(ranges, [""]);
    assert!(!metered.case.layout.budget().exists());
}

#[tokio::test]
async fn the_pauses_of_a_speed_limit_are_no_silence_of_the_server() {
    let image = image();
    // At this speed a piece of what has come already pauses for longer than the server may be silent.
    let limits = Limits {
        bandwidth: Some(100_000),
        ..Limits::default()
    };
    let acts = vec![Act::Say(answer(image.len(), &image))];
    let mut metered = Metered::with(limits, acts).await;
    metered.case.fetch.settings.stall_limit = Duration::from_millis(400);
    let (ended, _) = metered.again().await;
    metered.arrived(ended);
}

#[tokio::test]
async fn a_file_on_this_machine_costs_neither_bytes_nor_time() {
    let image = image();
    let limits = Limits {
        bandwidth: Some(1),
        budget: Some(1),
        budget_per_day: Some(1),
        ..Limits::default()
    };
    let mut metered = Metered::with(limits, Vec::new()).await;
    let file = metered.case.layout.root().join("from-a-stick");
    fs::write(&file, &image).unwrap();
    let mut wanted = wanted(String::new(), &image);
    wanted.source = Source::Path(file.to_str().unwrap().to_owned());
    metered.case.order_file(wanted);
    let (ended, _) = metered.case.end().await;
    metered.arrived(ended);
}

#[tokio::test]
async fn without_room_on_the_disk_nothing_is_asked_for() {
    let limits = Limits {
        keep_free: u64::MAX / 2,
        ..Limits::default()
    };
    let mut metered = Metered::with(limits, Vec::new()).await;
    let (ended, ranges) = metered.again().await;
    let fault = ended.unwrap_err();
    let needed = u64::MAX / 2 + SIZE as u64;
    assert!(
        matches!(fault, FetchFault::NoSpace { needed: told, .. } if told == needed),
        "{fault:?}"
    );
    assert_eq!(ranges, Vec::<String>::new());
    assert_eq!(metered.case.left(), Vec::<String>::new());
}
