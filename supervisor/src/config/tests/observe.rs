//! The log's form, its upload, and where the numbers are to be had.

use supervisor_core::event::Grade;

use super::{CLOUD, Case};
use crate::log::Form;

#[test]
fn the_log_takes_the_form_and_the_platform_the_part_an_operator_wants() {
    let text = format!("{CLOUD}\n[log]\nlevel = \"debug\"\nformat = \"json\"\nupload = \"warn\"\n");
    let config = Case::new().good(&text);
    assert_eq!(config.log.form, Form::Json);
    assert_eq!(config.policy.upload, Some(Grade::Warning));
    for (line, demand) in [
        (
            "format = \"xml\"",
            "`log.format` must be one of \"auto\", \"human\", \"json\" and \"journald\"",
        ),
        (
            "upload = \"all\"",
            "`log.upload` must be one of \"off\", \"error\", \"warn\" and \"info\"",
        ),
    ] {
        let fault = Case::new().fault(&format!("{CLOUD}\n[log]\n{line}\n"));
        assert!(fault.contains(demand), "{fault}");
    }
}

#[test]
fn the_numbers_are_to_be_had_on_this_machine_alone() {
    for address in ["127.0.0.1:9464", "[::1]:9464", "127.0.0.1:0"] {
        let text = format!("{CLOUD}\n[metrics]\nlisten = \"{address}\"\n");
        let config = Case::new().good(&text);
        assert_eq!(config.metrics, Some(address.parse().unwrap()));
    }
    for address in [
        "0.0.0.0:9464",
        "192.168.1.10:9464",
        "127.0.0.1",
        "localhost:9464",
    ] {
        let fault = Case::new().fault(&format!("{CLOUD}\n[metrics]\nlisten = \"{address}\"\n"));
        assert!(
            fault.contains("`metrics.listen` must be an address of this machine alone"),
            "{fault}"
        );
    }
}
