//! A tool of the system's, run without a shell and without questions.

use std::{
    io,
    process::{Command, Stdio},
};

use super::ServiceError;

/// What it said, if it was content.
pub(super) struct Said {
    pub(super) is_content: bool,
    pub(super) out: String,
    complaint: String,
}

/// Runs a tool to its end.
pub(super) fn ask(tool: &'static str, arguments: &[&str]) -> Result<Said, ServiceError> {
    let ran = Command::new(tool)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    let ran = ran.map_err(|why| match why.kind() {
        io::ErrorKind::NotFound => ServiceError::NoTool(tool),
        _ => ServiceError::File(tool.into(), why),
    })?;
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(Said {
        is_content: ran.status.success(),
        out: text(&ran.stdout),
        complaint: text(&ran.stderr),
    })
}

/// Runs a tool that must be content.
pub(super) fn tell(tool: &'static str, arguments: &[&str]) -> Result<(), ServiceError> {
    let said = ask(tool, arguments)?;
    if said.is_content {
        return Ok(());
    }
    let words = if said.complaint.is_empty() {
        said.out
    } else {
        said.complaint
    };
    let told = format!("`{tool} {}`: {words}", arguments.join(" "));
    let denied = ["denied", "authentication required", "not permitted"];
    let lower = words.to_lowercase();
    Err(if denied.iter().any(|it| lower.contains(it)) {
        ServiceError::Denied(told)
    } else {
        ServiceError::Refused(told)
    })
}
