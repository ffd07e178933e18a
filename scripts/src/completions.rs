//! `cargo xtask completions`: what shells complete, and the manual, both made from the supervisor's own definition of its command line.
//!
//! They are made here and shipped in the packages, so that the supervisor itself stays small. The definition is the very file the supervisor
//! is built from; only the types that its words become are others here, as nothing is parsed.

mod definition;
mod manual;

use crate::paint;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::fs;
use std::path::PathBuf;

/// What the program is called in packages.
pub(crate) const PACKAGED: &str = "hotplate";

/// What it is called everywhere else.
pub(crate) const BUILT: &str = "supervisor";

/// Where to, and for which name.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder that gets them; made if it is missing
    #[arg(value_name = "FOLDER", default_value = "target/completions")]
    folder: PathBuf,
    /// What the program is called
    #[arg(long, value_name = "NAME", default_value = BUILT)]
    name: String,
}

/// They could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write `{file}`", file = file.display())]
pub(crate) struct WriteError {
    file: PathBuf,
    source: std::io::Error,
}

/// Writes the completions of each shell, and the manual.
///
/// # Errors
/// When a file cannot be written, which is named.
pub(crate) fn completions(args: &Args) -> Result<bool, crate::Error> {
    let at = |file: PathBuf| {
        move |source| WriteError {
            file: file.clone(),
            source,
        }
    };
    fs::create_dir_all(&args.folder).map_err(at(args.folder.clone()))?;
    let mut made = of(&args.name);
    made.push(("hotplate.8".to_owned(), manual().into_bytes()));
    for (name, bytes) in made {
        let file = args.folder.join(name);
        fs::write(&file, bytes).map_err(at(file.clone()))?;
        println!("{} {}", paint::green("✓"), file.display());
    }
    Ok(true)
}

/// What each shell completes behind this name, with the name of its file.
pub(crate) fn of(name: &str) -> Vec<(String, Vec<u8>)> {
    let shells = [
        (Shell::Bash, format!("{name}.bash")),
        (Shell::Zsh, format!("_{name}")),
        (Shell::Fish, format!("{name}.fish")),
        (Shell::PowerShell, format!("_{name}.ps1")),
    ];
    let made = shells.into_iter().map(|(shell, file)| {
        let mut bytes = Vec::new();
        let mut command = definition::cli::Cli::command();
        clap_complete::generate(shell, &mut command, name, &mut bytes);
        (file, bytes)
    });
    made.collect()
}

/// The manual, for section 8.
pub(crate) fn manual() -> String {
    let mut command = definition::cli::Cli::command();
    command.build();
    manual::page(&command, &definition::cli::EXIT_CODES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands a person can give.
    const COMMANDS: [&str; 14] = [
        "init",
        "doctor",
        "run",
        "install",
        "update",
        "pause",
        "resume",
        "cancel",
        "rollback",
        "release",
        "status",
        "explain",
        "check-config",
        "service",
    ];

    #[test]
    fn every_shell_completes_every_command_behind_either_name() {
        for name in [BUILT, PACKAGED] {
            for (file, bytes) in of(name) {
                let text = String::from_utf8(bytes).expect("it is text");
                for word in COMMANDS.into_iter().chain(["--watch", "--config", name]) {
                    let word = word.trim_start_matches("--");
                    assert!(text.contains(word), "{file} is silent about `{word}`");
                }
            }
        }
    }

    #[test]
    fn the_commands_are_those_of_the_definition() {
        let command = definition::cli::Cli::command();
        let names = command.get_subcommands().filter(|it| !it.is_hide_set());
        let names: Vec<_> = names.map(clap::Command::get_name).collect();
        assert_eq!(names, COMMANDS);
    }

    #[test]
    fn the_readme_has_the_exit_codes_of_the_definition() {
        let readme = include_str!("../../README.md");
        for (code, meaning) in definition::cli::EXIT_CODES {
            let row = format!("| {code} | {meaning} |");
            assert!(readme.contains(&row), "no `{row}` in the README");
        }
    }

    #[test]
    fn every_command_has_examples_in_its_help_that_the_definition_takes() {
        let command = definition::cli::Cli::command();
        let mut seen = 0;
        for it in command.get_subcommands().chain([&command]) {
            let help = it.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let lines = help.lines().map(str::trim_start);
            let lines = lines.map(|line| line.strip_prefix("sudo ").unwrap_or(line));
            let lines: Vec<_> = lines
                .filter(|line| line.starts_with("supervisor "))
                .collect();
            assert!(!lines.is_empty(), "`{}` has no example", it.get_name());
            for line in lines {
                let end = line.find(['#', '|', '>', '<', '&']).unwrap_or(line.len());
                let words = line[..end].split_whitespace();
                let parsed = command.clone().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                seen += 1;
            }
        }
        assert!(seen >= 25, "only {seen} examples were found");
    }
}
