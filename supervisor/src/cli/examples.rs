//! What the help shows behind each command: what a person would type, and what it does.

use std::fmt::Write as _;

use super::EXIT_CODES;

/// Behind the list of commands: the way from nothing to a device, and the exit codes.
pub(super) fn top() -> String {
    EXIT_CODES.iter().fold(
        format!("{TOP}\n\nExit codes:"),
        |mut text, (code, meaning)| {
            // Writing to a text cannot fail.
            let _ = write!(text, "\n  {code}  {meaning}");
            text
        },
    )
}

const TOP: &str = "\
From nothing to a device that runs:
  supervisor init                                    # write hotplate.toml and device.secret
  supervisor doctor                                  # is everything there that a device needs?
  supervisor install ./oven-1.0.0 --version 1.0.0    # the first worker
  supervisor run                                     # or: supervisor service install --now

While it runs:
  supervisor status --watch                          # what happens, as it happens
  supervisor update /media/usb/oven-1.0.7            # an update without a cloud
  supervisor rollback                                # back to the version before";

pub(super) const INIT: &str = "\
Examples:
  supervisor init
      asks for everything, the secret without showing it
  supervisor init --product-key a1Sample001 --device-name oven001 --instance iot-06z00sample --key RW... < secret.txt
      asks for nothing: the secret is the first line of standard input
  supervisor --config /etc/hotplate/hotplate.toml init --secret-file device.secret
      takes a secret that is in its file already

Nothing that is there is overwritten.";

pub(super) const DOCTOR: &str = "\
Examples:
  supervisor doctor
  supervisor doctor --json | jq '.checks[] | select(.verdict == \"failed\")'

Each check is `ok`, a `warning`, `failed` or `not tried`. The exit code is 0 if nothing failed, otherwise 1.";

pub(super) const RUN: &str = "\
Examples:
  supervisor run
  supervisor --config /etc/hotplate/hotplate.toml run

Ctrl-C, or the signal TERM, stops the worker in order; its state is there again at the next start.";

pub(super) const INSTALL: &str = "\
Examples:
  supervisor install ./oven-1.0.0 --version 1.0.0
  supervisor install ./oven-1.0.0 --version 1.0.0 --json

The program is copied; no signature is asked of what an operator installs by hand.";

pub(super) const UPDATE: &str = "\
Examples:
  supervisor update /media/usb/oven-1.0.7                      # signed: oven-1.0.7.minisig lies beside it
  supervisor update https://firmware.example/oven-1.0.7        # and so do oven-1.0.7.minisig and oven-1.0.7.sha256
  supervisor update ./oven-1.0.6 --version 1.0.6 --allow-downgrade
  supervisor update --now                                      # what is under way need not wait";

pub(super) const PAUSE: &str = "\
Examples:
  supervisor pause
  supervisor pause --json";

pub(super) const RESUME: &str = "\
Examples:
  supervisor resume
  supervisor resume --json";

pub(super) const CANCEL: &str = "\
Examples:
  supervisor cancel
  supervisor cancel && supervisor status";

pub(super) const ROLLBACK: &str = "\
Examples:
  supervisor rollback
  supervisor rollback --json";

pub(super) const RELEASE: &str = "\
Examples:
  supervisor release 1.0.7";

pub(super) const STATUS: &str = "\
Examples:
  supervisor status
  supervisor status --watch                          # one page, drawn in place; Ctrl-C ends it
  supervisor status --watch >> status.log            # one line for each change
  supervisor status --watch --json | jq -c .phase    # one object for each change
  supervisor status --json | jq .workers";

pub(super) const EXPLAIN: &str = "\
Examples:
  supervisor explain
  supervisor explain --all --json | jq .";

pub(super) const CHECK_CONFIG: &str = "\
Examples:
  supervisor check-config
  supervisor check-config --json | jq -r '.faults[]'";

pub(super) const SERVICE: &str = "\
Examples:
  sudo supervisor service install --now
  supervisor service status --json
  supervisor service print --system launchd";
