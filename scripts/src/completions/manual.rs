//! The manual: the parts of it that say what a command line may hold come from the definition, the others from a text with marks for these.

use super::PACKAGED;
use clap::{Arg, Command};

/// The text, with its marks.
const TEXT: &str = include_str!("../../../supervisor/hotplate.8.in");

/// The whole page.
pub(super) fn page(command: &Command, exit_codes: &[(u8, &str)]) -> String {
    let commands: String = shown(command).map(|it| section(it, "")).collect();
    let options: String = command
        .get_arguments()
        .filter(|it| !it.is_hide_set())
        .map(option)
        .collect();
    let exits: String = exit_codes
        .iter()
        .map(|(code, meaning)| format!(".TP\n.B {code}\n{}.\n", prose(&capital(meaning))))
        .collect();
    TEXT.replace("@COMMANDS@\n", &commands)
        .replace("@OPTIONS@\n", &options)
        .replace("@EXIT STATUS@\n", &exits)
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|it| !it.is_hide_set())
}

/// A command, with those below it.
fn section(command: &Command, above: &str) -> String {
    let name = format!("{above}{}", command.get_name());
    let below = shown(command);
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|it| !it.is_global_set() && !is_common(it))
        .collect();
    let mut text = format!(".SS {}\n{}", plain(&name), synopsis(&name, &arguments));
    let about = command.get_long_about().or_else(|| command.get_about());
    for paragraph in about
        .map(ToString::to_string)
        .unwrap_or_default()
        .split("\n\n")
    {
        text += &format!(".PP\n{}\n", prose(&full_stop(paragraph)));
    }
    for argument in arguments {
        text += &option(argument);
    }
    if let Some(examples) = command.get_after_help() {
        let examples = examples.to_string();
        let mut is_code = false;
        text += ".PP\n";
        for line in examples.lines().filter(|line| !line.is_empty()) {
            if is_code != line.starts_with("  ") {
                is_code = !is_code;
                text += if is_code { ".PP\n.nf\n" } else { ".fi\n.PP\n" };
            }
            text += &match is_code {
                true => plain(&called(line)),
                false => prose(line),
            };
            text.push('\n');
        }
        if is_code {
            text += ".fi\n";
        }
    }
    let below: String = below.map(|it| section(it, &format!("{name} "))).collect();
    text + below.as_str()
}

/// `--help` and `--version`, which every command has.
fn is_common(argument: &Arg) -> bool {
    ["help", "version"].contains(&argument.get_id().as_str())
        && !argument.get_action().takes_values()
}

/// What may follow the command.
fn synopsis(name: &str, arguments: &[&Arg]) -> String {
    let mut text = format!(".PP\n\\fB{}\\fR", plain(name));
    for argument in arguments {
        let word = words(argument);
        text += &match argument.is_required_set() {
            true => format!(" {word}"),
            false => format!(" [{word}]"),
        };
    }
    text + "\n"
}

/// An argument as it is written: its name in bold, its value in italics.
fn words(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default();
    let values: Vec<_> = values
        .iter()
        .map(|it| format!("\\fI{}\\fR", plain(it)))
        .collect();
    let values = match argument.get_action().takes_values() {
        true => values.join(" "),
        false => String::new(),
    };
    match argument.get_long() {
        Some(long) => format!("\\fB\\-\\-{}\\fR {values}", plain(long))
            .trim_end()
            .to_owned(),
        None => values,
    }
}

/// An argument with what it means.
fn option(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let short = argument.get_short().map(|it| format!("\\fB\\-{it}\\fR, "));
    let short = short.unwrap_or_default();
    let default = argument
        .get_default_values()
        .first()
        .filter(|_| argument.get_action().takes_values());
    let default = default.map(|it| format!(" Without it: `{}`.", it.to_string_lossy()));
    let help = full_stop(&help) + default.unwrap_or_default().as_str();
    format!(
        ".TP\n{short}{}\n{}\n",
        words(argument),
        prose(&help.replace("\n\n", " "))
    )
}

/// The lines of an example as they are given where the program has its other name.
fn called(line: &str) -> String {
    line.replace("supervisor ", &format!("{PACKAGED} "))
}

fn full_stop(text: &str) -> String {
    let text = text.trim();
    match text.ends_with(['.', ':', '!']) {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Text in which nothing is special; what stands in back-ticks is bold.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(at, part)| match at % 2 {
            1 => format!("\\fB{}\\fR", plain(part)),
            _ => plain(part),
        })
        .collect()
}

/// Text in which nothing is special.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let lines = text
        .lines()
        .map(|line| match line.starts_with(['.', '\'']) {
            true => format!("\\&{line}"),
            false => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> String {
        super::super::manual()
    }

    #[test]
    fn the_manual_has_every_command_with_its_options_its_examples_and_the_exit_codes() {
        let page = made();
        for words in [
            ".SS check\\-config\n",
            ".SS service install\n",
            "\\fBstatus\\fR [\\fB\\-\\-watch\\fR] [\\fB\\-\\-json\\fR]",
            "\\fBinstall\\fR \\fIFILE\\fR \\fB\\-\\-version\\fR \\fIVERSION\\fR [\\fB\\-\\-json\\fR]",
            "  hotplate status \\-\\-watch",
            ".TP\n.B 4\nAnother supervisor",
            "/var/lib/hotplate",
        ] {
            assert!(page.contains(words), "no `{words}` in\n{page}");
        }
        assert!(!page.contains('@'), "a mark is left in\n{page}");
        assert_eq!(page.matches(".nf").count(), page.matches(".fi").count());
    }

    #[test]
    fn text_brings_no_requests_of_its_own() {
        assert_eq!(plain(".SH x\n'y \\z"), "\\&.SH x\n\\&'y \\ez");
        assert_eq!(prose("see `a-b`"), "see \\fBa\\-b\\fR");
    }
}
