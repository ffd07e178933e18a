//! A configuration for Windows names no other user.

use std::{io, path::Path};

use super::RightsError;
use crate::{
    config::Account,
    drivers::store::{layout::Layout, verify::Manifest},
};

pub(crate) fn open_state(layout: &Layout, account: &Account) -> Result<(), RightsError> {
    Err(RightsError {
        user: account.name.clone(),
        path: layout.root().to_owned(),
        source: io::ErrorKind::Unsupported.into(),
    })
}

pub(crate) fn open_slot(_: &Manifest) -> io::Result<()> {
    Ok(())
}

pub(crate) fn in_the_way(_: &Path, _: &Account) -> Vec<String> {
    Vec::new()
}
