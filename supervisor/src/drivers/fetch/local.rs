//! A file on this machine or on a medium in it, such as a USB stick, as a source.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::PathBuf,
};

use supervisor_core::event::FetchFault;

use super::{intake::Intake, pipeline::BLOCK};
use crate::drivers::store::at;

/// Reads what is missing. A file of another length is refused before its first byte is taken.
pub(super) async fn bring(path: &str, intake: &mut Intake<'_>) -> Result<(), FetchFault> {
    let (from, promised) = (intake.taken(), intake.promised());
    let place = PathBuf::from(path);
    let opened = blocking(move || {
        let told = |why| at(&place, &why);
        let mut file = File::open(&place).map_err(told)?;
        let length = file.metadata().map_err(told)?.len();
        file.seek(SeekFrom::Start(from)).map_err(told)?;
        Ok((file, place, length))
    });
    let (mut file, mut place, length) = opened.await?;
    if length > promised {
        return Err(FetchFault::Long { promised });
    }
    if length < promised {
        let got = length;
        return Err(FetchFault::Unreadable(format!(
            "`{path}` has {got} bytes instead of {promised}"
        )));
    }
    let mut buffer = Vec::with_capacity(BLOCK);
    loop {
        let read = blocking(move || {
            buffer.clear();
            (&file)
                .take(BLOCK as u64)
                .read_to_end(&mut buffer)
                .map_err(|why| at(&place, &why))?;
            Ok((file, place, buffer))
        });
        (file, place, buffer) = read.await?;
        if buffer.is_empty() {
            return Ok(());
        }
        intake.take(&buffer).await?;
    }
}

/// Reads a small file, which must not be longer than this; `None` if there is none.
pub(super) async fn small(place: PathBuf, most: usize) -> Result<Option<Vec<u8>>, FetchFault> {
    let promised = most as u64;
    let read = blocking(move || {
        let file = match File::open(&place) {
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|why| at(&place, &why))?,
        };
        let mut bytes = Vec::new();
        file.take(promised + 1)
            .read_to_end(&mut bytes)
            .map_err(|why| at(&place, &why))?;
        Ok(Some(bytes))
    });
    match read.await? {
        Some(bytes) if bytes.len() > most => Err(FetchFault::Long { promised }),
        read => Ok(read),
    }
}

/// Runs a step on a blocking thread; its failure is the medium's.
async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, FetchFault> {
    match tokio::task::spawn_blocking(step).await {
        Ok(done) => done.map_err(|why| FetchFault::Unreadable(why.to_string())),
        Err(_) => Err(FetchFault::Unreadable(
            "the supervisor is ending".to_owned(),
        )),
    }
}
