//! Words left in small files at every start, for other programs: the process id, the address of the control socket.
//!
//! They are written over what is there and cut to length after that. A file that is emptied first is written out by some file systems
//! as soon as it is closed (ext4 among them), which may take long on a busy disk; and nothing is started before. They are not synced
//! either: what they tell is true for one life of the supervisor only.

use std::{fs::OpenOptions, io, io::Write as _, path::Path};

use super::scanner;

/// Leaves word in a file.
pub(crate) fn leave(path: &Path, word: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let mut file = scanner::past(|| options.open(path))?;
    file.write_all(word.as_bytes())?;
    let length = word.len() as u64;
    if file.metadata()?.len() > length {
        file.set_len(length)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_longer_word_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("word");
        for word in ["12345", "7", "", "99"] {
            leave(&path, word).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), word);
        }
    }
}
