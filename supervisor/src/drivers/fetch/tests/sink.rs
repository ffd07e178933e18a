//! The way of the bytes into the file, by itself: in pieces, left in the middle, emptied, and with a disk that is full.

use std::{fs, path::PathBuf};

use supervisor_core::{alink::hex, event::FetchFault};
use tokio::time::timeout;

use super::{super::sink::Sink, super::verify::Wanted, *};

/// So many bytes that several buffers are full of them.
fn large() -> Vec<u8> {
    (0..1_500_007_u32)
        .map(|it| (it.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect()
}

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        Self {
            _folder: folder,
            path,
        }
    }

    async fn sink(&self, digests: &[Digest]) -> Sink {
        let wanted = Wanted::new(digests, None);
        Sink::create(self.path.clone(), wanted).await.unwrap()
    }

    /// What is told as written is there.
    fn holds(&self, sink: &Sink) {
        let told = sink.written();
        let there = fs::metadata(&self.path).unwrap().len();
        assert!(told <= there && there <= sink.taken(), "{told} {there}");
    }
}

#[tokio::test]
async fn bytes_in_any_pieces_become_the_file_with_its_digests() {
    let (image, place) = (large(), Place::new());
    let all = digests(&image);
    // Both, and each alone: without MD5 there is one stage less.
    for digests in [&all[..], &all[..1], &all[1..]] {
        for piece in [1000, 65_536, 131_072, 400_001, image.len()] {
            let mut sink = place.sink(digests).await;
            for part in image.chunks(piece) {
                sink.take(part).await.unwrap();
                place.holds(&sink);
            }
            let Digest::Sha256(sha256) = all[1] else {
                panic!("{all:?}");
            };
            assert_eq!(sink.finish().await, Ok(hex::encode(&sha256)), "{piece}");
            assert_eq!(sink.written(), image.len() as u64);
            assert!(fs::read(&place.path).unwrap() == image, "{piece}");
        }
    }
}

#[tokio::test]
async fn what_was_taken_is_in_the_file_after_a_flush_and_after_a_rest_and_it_can_be_gone_on_with() {
    let (image, place) = (large(), Place::new());
    let mut sink = place.sink(&digests(&image)).await;
    for (count, part) in image.chunks(100_003).enumerate() {
        sink.take(part).await.unwrap();
        if count % 2 == 0 {
            sink.flush().await.unwrap();
        } else {
            sink.rest().await.unwrap();
        }
        assert_eq!(sink.written(), sink.taken());
        place.holds(&sink);
    }
    assert!(sink.finish().await.is_ok());
}

#[tokio::test]
async fn a_take_that_is_left_in_the_middle_has_taken_what_it_says() {
    let (image, place) = (large(), Place::new());
    let mut sink = place.sink(&digests(&image)).await;
    let mut left = 0;
    while sink.taken() < image.len() as u64 {
        let rest = &image[sink.taken() as usize..];
        left += u32::from(timeout(Duration::ZERO, sink.take(rest)).await.is_err());
        place.holds(&sink);
    }
    assert!(left > 0, "it was never left");
    assert!(sink.finish().await.is_ok());
    assert!(fs::read(&place.path).unwrap() == image);
}

#[tokio::test]
async fn a_part_that_was_dropped_or_left_in_the_middle_is_taken_up_at_its_end() {
    let (image, place) = (large(), Place::new());
    let digests = digests(&image);
    for left in [false, true] {
        let mut sink = place.sink(&digests).await;
        sink.take(&image[..700_000]).await.unwrap();
        if left {
            sink.leave().await;
            assert!(!sink.is_whole());
        } else {
            // Nothing may be at work on it any more, as after the end of a process.
            sink.rest().await.unwrap();
        }
        drop(sink);
        let wanted = Wanted::new(&digests, None);
        let size = image.len() as u64;
        let mut sink = Sink::resume(place.path.clone(), wanted, size)
            .await
            .unwrap();
        assert!((500_000..=700_000).contains(&sink.taken()));
        assert_eq!(sink.written(), sink.taken());
        let there = sink.taken() as usize;
        sink.take(&image[there..]).await.unwrap();
        assert!(sink.finish().await.is_ok());
        assert!(fs::read(&place.path).unwrap() == image);
    }
}

#[tokio::test]
async fn what_is_emptied_in_the_middle_or_does_not_hold_can_be_filled_again() {
    let (image, place) = (large(), Place::new());
    let mut sink = place.sink(&digests(&image)).await;
    sink.take(&image[1..900_000]).await.unwrap();
    sink.clear().await.unwrap();
    assert_eq!((sink.taken(), sink.written()), (0, 0));
    sink.take(&image[1..]).await.unwrap();
    let other = sink.finish().await;
    assert!(
        matches!(other, Err(FetchFault::OtherDigest { .. })),
        "{other:?}"
    );
    assert!(sink.is_whole());
    assert_eq!(fs::metadata(&place.path).unwrap().len(), 0);
    sink.take(&image).await.unwrap();
    assert!(sink.finish().await.is_ok());
    assert!(fs::read(&place.path).unwrap() == image);
}

#[tokio::test]
async fn a_part_whose_name_could_not_be_removed_at_the_birth_of_a_slot_does_not_cost_the_slot_its_image()
 {
    let (image, place) = (large(), Place::new());
    let slot = place.path.with_file_name("worker");
    let digests = digests(&image);
    for what in [
        "created",
        "resumed",
        "resumed as too long",
        "emptied",
        "damaged",
    ] {
        let _ = fs::remove_file(&place.path);
        let mut sink = place.sink(&digests).await;
        let mut told = &image[..];
        let damaged = &image[1..];
        if what == "damaged" {
            told = damaged;
        }
        sink.take(told).await.unwrap();
        sink.rest().await.unwrap();
        let _ = fs::remove_file(&slot);
        fs::hard_link(&place.path, &slot).unwrap();
        let wanted = Wanted::new(&digests, None);
        match what {
            "created" => drop(Sink::create(place.path.clone(), wanted).await.unwrap()),
            "resumed" | "resumed as too long" => {
                let promised = if what == "resumed" { image.len() } else { 7 };
                let sink = Sink::resume(place.path.clone(), wanted, promised as u64).await;
                let mut sink = sink.unwrap();
                let there = sink.taken() as usize;
                // On systems that do not tell, a whole part is read and not written to.
                assert!(there == 0 || (cfg!(not(unix)) && there == image.len()));
                sink.take(&image[there..]).await.unwrap();
                sink.rest().await.unwrap();
            }
            "emptied" => sink.clear().await.unwrap(),
            _ => assert!(sink.finish().await.is_err()),
        }
        drop(sink);
        assert!(
            fs::read(&slot).unwrap() == told,
            "{what}: the slot's image was changed"
        );
    }
}

/// A device of Linux on which every write fails for want of room.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_the_disks_fault_and_nothing_counts_as_written() {
    use super::super::pipeline::{Pipeline, Works};

    let image = large();
    let full = std::path::Path::new("/dev/full");
    let file = || fs::OpenOptions::new().write(true).open(full).unwrap();
    for flushed in [true, false] {
        let hashes = Box::new(Wanted::new(&digests(&image), None).begin());
        let file = file();
        let mut pipeline = Pipeline::start(Works { file, hashes }, 7).unwrap();
        let mut rest = &image[..];
        while let Ok(taken) = pipeline.take(rest).await {
            rest = &rest[taken..];
            if rest.is_empty() || (flushed && pipeline.flush().await.is_err()) {
                break;
            }
        }
        assert!(!rest.is_empty(), "more was taken than there are buffers");
        assert_eq!(pipeline.written(), 7);
        let fault = pipeline.end(full).await.unwrap_err();
        let FetchFault::Disk(why) = fault else {
            panic!("{fault:?}");
        };
        assert!(why.contains("/dev/full") && why.contains("space"), "{why}");
    }
}
