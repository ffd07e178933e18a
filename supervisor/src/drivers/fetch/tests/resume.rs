//! A download that goes on where it broke off, and every way in which a server can make that impossible.

use super::*;
use crate::drivers::store::layout::note_of;

const TAG: &str = "ETag: \"a\"\r\n";

/// Where the image is cut.
const CUT: usize = 100_000;

/// An answer with these lines in its head, announcing what it sends and more.
fn says(status: u16, lines: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\n{lines}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// The beginning of the image, cut off.
fn cut(image: &[u8]) -> Act {
    Act::Say(says(200, TAG, image.len(), &image[..CUT]))
}

fn whole(image: &[u8]) -> Act {
    Act::Say(says(200, TAG, image.len(), image))
}

/// What a good server says about the bytes from here on.
fn rest(image: &[u8], from: usize, lines: &str) -> Act {
    let range = format!(
        "{lines}Content-Range: bytes {from}-{}/{}\r\n",
        image.len() - 1,
        image.len()
    );
    Act::Say(says(206, &range, image.len() - from, &image[from..]))
}

/// A download whose first try was cut, and what it meets then.
struct Broken {
    case: Case,
    url: String,
    image: Vec<u8>,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Broken {
    async fn with(then: Vec<Act>) -> Self {
        let image = image();
        let acts = std::iter::once(cut(&image)).chain(then).collect();
        let (address, mut requests) = serve_noting(acts).await;
        let url = format!("http://{address}/worker?sign=1");
        let mut case = case();
        case.order(url.clone(), &image);
        let (ended, progress) = case.end().await;
        let fault = ended.unwrap_err();
        assert!(matches!(fault, FetchFault::Short { got, .. } if got == CUT as u64));
        assert_eq!(
            progress.last(),
            Some(&(CUT as u64)),
            "all that came is told"
        );
        let part = case.layout.part_of(&wanted(String::new(), &image));
        assert_eq!(fs::read(part).unwrap(), &image[..CUT]);
        let request = requests.recv().await.unwrap();
        assert!(!request.contains("range:"), "{request}");
        Self {
            case,
            url,
            image,
            requests,
        }
    }

    /// The supervisor ends and another one begins, with the same folder.
    fn restart(&mut self) {
        let (events, happened) = mpsc::channel(4);
        let settings = self.case.fetch.settings.clone();
        self.case.fetch = Fetch::new(settings, self.case.layout.clone(), events);
        self.case.happened = happened;
    }

    fn part(&self) -> std::path::PathBuf {
        self.case
            .layout
            .part_of(&wanted(String::new(), &self.image))
    }

    /// The next try, its progress and what was asked.
    async fn again(&mut self) -> (Result<Slot, FetchFault>, Vec<u64>, Vec<String>) {
        self.case.order(self.url.clone(), &self.image);
        let (ended, progress) = self.case.end().await;
        let mut asked = Vec::new();
        while let Ok(request) = self.requests.try_recv() {
            asked.push(request);
        }
        (ended, progress, asked)
    }

    /// The next try brings the image; what was asked.
    async fn arrives(&mut self) -> Vec<String> {
        let (ended, progress, asked) = self.again().await;
        let slot = ended.unwrap();
        assert_eq!(fs::read(self.case.layout.image(&slot)).unwrap(), self.image);
        assert_eq!(progress.last(), Some(&(self.image.len() as u64)));
        assert_eq!(self.case.left(), ["2-1.0.7"]);
        asked
    }

    /// The next try ends with this fault, and nothing stays.
    async fn ends_unfit(&mut self, words: &str) {
        let (ended, ..) = self.again().await;
        let fault = ended.unwrap_err();
        assert!(
            matches!(&fault, FetchFault::Unfit { why } if why.contains(words)),
            "{fault:?}"
        );
        assert_eq!(self.case.left(), Vec::<String>::new());
    }
}

fn asks_from(request: &str, from: usize) -> bool {
    request.contains(&format!("range: bytes={from}-\r\n"))
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke_off() {
    let image = image();
    let mut broken = Broken::with(vec![rest(&image, CUT, TAG)]).await;
    let asked = broken.arrives().await;
    assert_eq!(asked.len(), 1);
    assert!(asks_from(&asked[0], CUT), "{asked:?}");
    assert!(asked[0].contains("if-range: \"a\"\r\n"), "{asked:?}");
}

#[tokio::test]
async fn a_restarted_supervisor_goes_on_with_what_is_on_the_disk() {
    let image = image();
    let mut broken = Broken::with(vec![rest(&image, CUT, TAG)]).await;
    broken.restart();
    let asked = broken.arrives().await;
    assert!(asks_from(&asked[0], CUT) && asked[0].contains("if-range: \"a\"\r\n"));
}

#[tokio::test]
async fn a_fresh_address_goes_on_with_the_same_part_and_another_source_is_not_asked_about_a_strange_mark()
 {
    let image = image();
    let mut broken = Broken::with(vec![rest(&image, CUT, TAG), rest(&image, CUT, "")]).await;
    broken.url = broken.url.replace("sign=1", "sign=2");
    let asked = broken.arrives().await;
    assert!(asks_from(&asked[0], CUT) && asked[0].contains("if-range: \"a\"\r\n"));

    let mut broken = Broken::with(vec![rest(&image, CUT, TAG)]).await;
    broken.url = broken.url.replace("/worker", "/elsewhere");
    let asked = broken.arrives().await;
    assert!(
        asks_from(&asked[0], CUT) && !asked[0].contains("if-range"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn an_answer_from_the_start_starts_over_with_it_and_only_once() {
    let image = image();
    let mut broken = Broken::with(vec![whole(&image)]).await;
    let (ended, progress, asked) = broken.again().await;
    assert!(ended.is_ok() && asked.len() == 1, "{ended:?} {asked:?}");
    assert_eq!(progress[..2], [CUT as u64, 0], "the step back is told");
    assert!(progress[1..].is_sorted(), "{progress:?}");

    let mut broken = Broken::with(vec![cut(&image), whole(&image)]).await;
    let fault = broken.again().await.0.unwrap_err();
    assert!(fault.may_pass(), "{fault:?}");
    broken.restart();
    broken.ends_unfit("all came").await;
}

#[tokio::test]
async fn another_range_than_asked_for_starts_over_and_only_once() {
    let image = image();
    let other = || rest(&image, CUT + 1, TAG);
    let mut broken = Broken::with(vec![other(), whole(&image)]).await;
    let asked = broken.arrives().await;
    assert_eq!(asked.len(), 2);
    assert!(!asked[1].contains("range:"), "{asked:?}");

    let mut broken = Broken::with(vec![other(), cut(&image), other()]).await;
    let fault = broken.again().await.0.unwrap_err();
    assert!(fault.may_pass(), "{fault:?}");
    broken.ends_unfit("from 100001 came").await;
}

#[tokio::test]
async fn a_range_that_cannot_be_had_starts_over_and_only_once() {
    let image = image();
    let none = || Act::Say(says(416, "Content-Range: bytes */5\r\n", 0, b""));
    let mut broken = Broken::with(vec![none(), whole(&image)]).await;
    assert_eq!(broken.arrives().await.len(), 2);

    let mut broken = Broken::with(vec![none(), cut(&image), none()]).await;
    let fault = broken.again().await.0.unwrap_err();
    assert!(fault.may_pass(), "{fault:?}");
    broken.ends_unfit("no byte 100000").await;
}

#[tokio::test]
async fn content_that_changed_starts_over() {
    let image = image();
    // A server that does not heed `If-Range` and shows by its mark that this is not what was begun.
    let changed = rest(&image, CUT, "ETag: \"b\"\r\n");
    let mut broken = Broken::with(vec![changed, whole(&image)]).await;
    assert_eq!(broken.arrives().await.len(), 2);
    // One that heeds it and answers with other bytes: the digest tells.
    let other = vec![1; image.len()];
    let mut broken = Broken::with(vec![Act::Say(says(200, "", image.len(), &other))]).await;
    let fault = broken.again().await.0.unwrap_err();
    assert!(matches!(fault, FetchFault::OtherDigest { .. }), "{fault:?}");
    assert_eq!(broken.case.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_rest_of_unannounced_length_is_counted() {
    let image = image();
    let range = format!(
        "HTTP/1.1 206 X\r\nContent-Range: bytes {CUT}-{}/*\r\n\r\n",
        image.len() - 1
    );
    let short = [range.as_bytes(), &image[CUT..200_000]].concat();
    let mut broken = Broken::with(vec![Act::Say(short), rest(&image, 200_000, TAG)]).await;
    let promised = image.len() as u64;
    let fault = broken.again().await.0.unwrap_err();
    let got = 200_000;
    assert_eq!(fault, FetchFault::Short { got, promised });
    assert!(asks_from(&broken.arrives().await[0], 200_000));

    let long = [range.as_bytes(), &image[CUT..], b"x"].concat();
    let mut broken = Broken::with(vec![Act::Say(long)]).await;
    let fault = broken.again().await.0.unwrap_err();
    assert_eq!(fault, FetchFault::Long { promised });
}

#[tokio::test]
async fn an_encoded_answer_is_a_fault() {
    let image = image();
    let gzip = "Content-Encoding: gzip\r\n";
    let fault = case()
        .fault(Act::Say(says(200, gzip, image.len(), &image)), &image)
        .await;
    let why = "it is encoded by `gzip`".to_owned();
    assert_eq!(fault, FetchFault::Unfit { why });
    let plain = says(200, "Content-Encoding: identity\r\n", image.len(), &image);
    let address = serve(vec![Act::Say(plain)]).await;
    let mut case = case();
    case.order(format!("http://{address}/"), &image);
    assert!(case.end().await.0.is_ok());
}

#[tokio::test]
async fn a_part_that_was_damaged_is_found_out_at_the_end_and_fetched_again_once() {
    let image = image();
    let mut broken = Broken::with(vec![rest(&image, CUT, TAG), whole(&image)]).await;
    broken.restart();
    let mut bytes = fs::read(broken.part()).unwrap();
    bytes[CUT / 2] ^= 1;
    fs::write(broken.part(), bytes).unwrap();
    let asked = broken.arrives().await;
    assert_eq!(asked.len(), 2);
    assert!(!asked[1].contains("range:"), "{asked:?}");

    // When the image itself is another one, that is told after the second time.
    let mut other = image.clone();
    other[CUT / 2] ^= 1;
    let mut broken = Broken::with(vec![rest(&image, CUT, TAG), whole(&other)]).await;
    broken.restart();
    fs::write(broken.part(), &other[..CUT]).unwrap();
    let (ended, _, asked) = broken.again().await;
    assert!(
        matches!(ended, Err(FetchFault::OtherDigest { .. })),
        "{ended:?}"
    );
    assert_eq!(asked.len(), 2);
}

#[tokio::test]
async fn a_part_longer_than_promised_or_without_a_whole_note_is_not_used() {
    let image = image();
    for damage in ["longer", "torn note", "no note", "note of another size"] {
        let mut broken = Broken::with(vec![whole(&image)]).await;
        broken.restart();
        let note = note_of(&broken.part());
        match damage {
            "longer" => fs::write(broken.part(), [image.as_slice(), b"x"].concat()).unwrap(),
            "torn note" => {
                let text = fs::read(&note).unwrap();
                fs::write(note, &text[..text.len() / 2]).unwrap();
            }
            "no note" => fs::remove_file(note).unwrap(),
            _ => {
                let text = fs::read_to_string(&note).unwrap();
                fs::write(note, text.replace("300000", "300001")).unwrap();
            }
        }
        let asked = broken.arrives().await;
        assert!(!asked[0].contains("range:"), "{damage}: {asked:?}");
    }
}

#[tokio::test]
async fn a_part_that_has_every_byte_is_only_verified() {
    let mut broken = Broken::with(Vec::new()).await;
    broken.restart();
    fs::write(broken.part(), &broken.image).unwrap();
    assert_eq!(broken.arrives().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_expired_address_leaves_the_part() {
    let image = image();
    let expired = Act::Say(says(403, "", 0, b""));
    let mut broken = Broken::with(vec![expired, rest(&image, CUT, TAG)]).await;
    assert_eq!(broken.again().await.0, Err(FetchFault::Status(403)));
    assert!(asks_from(&broken.arrives().await[0], CUT));
}

#[tokio::test]
async fn a_download_abandoned_between_two_tries_leaves_nothing() {
    let mut broken = Broken::with(Vec::new()).await;
    assert_ne!(broken.case.left(), Vec::<String>::new());
    broken.case.fetch.abandon(JOB);
    while !broken.case.left().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_supervisor_that_ends_leaves_the_part() {
    let image = image();
    let some = says(200, TAG, image.len(), &image[..200_000]);
    let (address, mut requests) =
        serve_noting(vec![Act::Hang(some), rest(&image, 131_072, TAG)]).await;
    let mut case = case();
    case.order(format!("http://{address}/"), &image);
    // At least two blocks of what came are on the disk.
    loop {
        let Some(Event::FetchProgress { on_disk, .. }) = case.happened.recv().await else {
            panic!("it ended");
        };
        if on_disk >= 131_072 {
            break;
        }
    }
    let wanted = wanted(String::new(), &image);
    let part = case.layout.part_of(&wanted);
    let note = note_of(&part);
    let (events, happened) = mpsc::channel(4);
    let settings = case.fetch.settings.clone();
    case.fetch = Fetch::new(settings, case.layout.clone(), events);
    let mut former = std::mem::replace(&mut case.happened, happened);
    while former.recv().await.is_some() {}
    let there = fs::read(&part).unwrap();
    assert!(there.len() < 300_000 && image.starts_with(&there));
    // What is on its way to the disk may still come here; the next supervisor has all that came by now in a folder of its own.
    let mut next = self::case();
    let place = next.layout.part_of(&wanted);
    fs::write(&place, &there[..131_072]).unwrap();
    fs::copy(note, note_of(&place)).unwrap();
    next.order(format!("http://{address}/"), &image);
    assert!(next.end().await.0.is_ok());
    requests.recv().await.unwrap();
    assert!(asks_from(&requests.recv().await.unwrap(), 131_072));
}
