//! `init`: a configuration and a file with the device's secret, from the command line and a few questions.
//!
//! The configuration is the example with this device's values in it, so that both are one text. It is judged by the same reader that `run` uses
//! before anything is written; what is there is never overwritten; and the secret goes nowhere but into its own private file.

mod answers;
mod text;

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::json;

use self::{
    answers::{Answers, AskError},
    text::Values,
};
use crate::{
    cli::{DEFAULT, Init},
    config::{self, SECRET_VARIABLE, last_good},
    drivers::store::{at, disk::sync_folder},
    exit::Exit,
    failure::Failure,
    show::{complain, say},
};

/// Why nothing was written, or not all of it.
#[derive(Debug, thiserror::Error)]
enum InitError {
    /// There is a configuration.
    #[error(
        "`{0}` is there already, and nothing was changed; look at it with `supervisor check-config`, or name another place with `--config`"
    )]
    Exists(PathBuf),
    /// A question was not answered.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The answers do not make a configuration.
    #[error("nothing was written: {0}")]
    Wrong(String),
    /// A file could not be written.
    #[error("nothing was written")]
    Write(#[source] io::Error),
}

/// Asks what is not given, writes both files, and says what to do next.
pub(crate) fn init(file: &Path, given: Init) -> Result<(), Failure> {
    let json = given.json;
    let done = carry_out(file, given).map_err(|why| Failure {
        exit: match why {
            InitError::Write(_) | InitError::Ask(AskError::GivenUp(_)) => Exit::Unexpected,
            _ => Exit::Usage,
        },
        text: crate::drivers::chain(&why),
    })?;
    let shown = file.display();
    let call = match file == Path::new(DEFAULT) {
        true => "supervisor".to_owned(),
        false => format!("supervisor --config {shown}"),
    };
    let next = [
        format!("{call} install ./oven-1.0.0 --version 1.0.0"),
        format!("{call} run"),
    ];
    if done.unsigned {
        complain(crate::show::UNSIGNED);
    }
    if json {
        let told = json!({
            "config": file, "secret_file": done.secret, "secret_written": done.secret_is_new, "next": next,
        });
        say(&format!("{told}\n"));
        return Ok(());
    }
    let secret = done.secret.display();
    let secret = match done.secret_is_new {
        true => format!("`{secret}` holds the secret and is readable by its owner alone\n"),
        false => format!("`{secret}` was there and is used as it is\n"),
    };
    say(&format!(
        "`{shown}` is written\n{secret}\nNext, with your worker's own file and version:\n  {}\n  {}\n\
         `{call} doctor` says what is missing, if something is.\n",
        next[0], next[1]
    ));
    Ok(())
}

/// What was written.
struct Done {
    secret: PathBuf,
    secret_is_new: bool,
    unsigned: bool,
}

fn carry_out(file: &Path, given: Init) -> Result<Done, InitError> {
    // Looked at before anybody is asked anything.
    if fs::symlink_metadata(file).is_ok() {
        return Err(InitError::Exists(file.to_owned()));
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let secret_file = folder.join(&given.secret_file);
    let secret_is_new = fs::symlink_metadata(&secret_file).is_err();
    let mut answers = Answers::new();
    let product_key = answers.or_ask(given.product_key, "--product-key", "Product key")?;
    let device_name = answers.or_ask(given.device_name, "--device-name", "Device name")?;
    let secret = match secret_is_new {
        true => Some(answers.secret()?),
        false => None,
    };
    let place = match (given.instance, given.region, given.host) {
        (Some(instance), ..) => text::Place::Instance(instance),
        (_, Some(region), _) => text::Place::Region(region),
        (.., Some(host)) => text::Place::Host(host),
        _ => answers.place()?,
    };
    let keys = match given.unsigned {
        true => Vec::new(),
        false => answers.keys(given.key)?,
    };
    let unsigned = keys.is_empty();
    let values = Values {
        product_key,
        device_name,
        secret_file: given.secret_file,
        place,
        port: given.port,
        tls: given.tls,
        keys,
        state: given.state.or_else(|| settled(file)),
    };
    let text = text::filled(&values).map_err(InitError::Wrong)?;
    judge(file, &text, secret.as_deref())?;
    write(file, &text, secret.as_deref().map(|it| (&*secret_file, it)))?;
    Ok(Done {
        secret: secret_file,
        secret_is_new,
        unsigned,
    })
}

/// Where the state of a configuration in `/etc` belongs: nothing is kept beside that.
fn settled(file: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(file).ok()?;
    let name = whole.strip_prefix("/etc").ok()?.parent()?;
    (!name.as_os_str().is_empty()).then(|| Path::new("/var/lib").join(name))
}

/// Would a supervisor start with this? A secret that is not in its file yet comes from where the environment would bring it.
fn judge(file: &Path, text: &str, secret: Option<&str>) -> Result<(), InitError> {
    let environment = |name: &str| match secret {
        Some(secret) if name == SECRET_VARIABLE => Some(secret.to_owned()),
        _ => None,
    };
    let faults = config::judge(file, text, &environment);
    match faults.is_empty() {
        true => Ok(()),
        false => {
            let words: Vec<_> = faults.into_iter().map(|fault| fault.0).collect();
            Err(InitError::Wrong(words.join("\n")))
        }
    }
}

/// Writes both files durably, or neither.
fn write(file: &Path, text: &str, secret: Option<(&Path, &str)>) -> Result<(), InitError> {
    if let Some(folder) = file.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|why| InitError::Write(at(folder, &why)))?;
    }
    if let Some((place, secret)) = secret {
        put(place, &format!("{secret}\n"), true).map_err(InitError::Write)?;
    }
    put(file, text, false).map_err(|why| {
        if let Some((place, _)) = secret {
            // One that stays would be taken for somebody's by the next try, and is right all the same.
            let _ = fs::remove_file(place);
        }
        InitError::Write(why)
    })
}

fn put(place: &Path, text: &str, is_private: bool) -> io::Result<()> {
    let created = match is_private {
        true => last_good::create(place),
        false => fs::File::create_new(place),
    };
    let written = created.and_then(|mut file| {
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all());
        written.inspect_err(|_| {
            // Half of it would keep the next try from writing it whole.
            let _ = fs::remove_file(place);
        })
    });
    written.map_err(|why| at(place, &why))?;
    let folder = place.parent().filter(|it| !it.as_os_str().is_empty());
    // What lies in a folder that cannot be synced is there all the same.
    let _ = sync_folder(folder.unwrap_or(Path::new(".")));
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_configuration_in_etc_lies_where_services_keep_theirs() {
        let of = |file: &str| settled(Path::new(file));
        let state = Path::new("/var/lib/hotplate");
        assert_eq!(of("/etc/hotplate/hotplate.toml").as_deref(), Some(state));
        for elsewhere in [
            "/etc/hotplate.toml",
            "/opt/hotplate/hotplate.toml",
            "hotplate.toml",
        ] {
            assert_eq!(of(elsewhere), None, "{elsewhere}");
        }
    }
}
