//! The example configuration, from which `init` makes a device's own, and by which values that were never filled in are known again.

/// The whole example.
pub(crate) const TEXT: &str = include_str!("../../hotplate.example.toml");

/// Is this what the example has for this key?
pub(super) fn is_placeholder(key: &str, value: &str) -> bool {
    value_of(key) == Some(value)
}

/// The first text in quotes that the example has for a key; it has none twice.
fn value_of(key: &str) -> Option<&'static str> {
    let mut lines = TEXT.lines().filter_map(|line| line.split_once(" = "));
    let (_, value) = lines.find(|(name, _)| *name == key)?;
    value.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_example_has_for_the_values_of_a_device_is_known() {
        for (key, value) in [
            ("product_key", "a1Sample001"),
            ("device_name", "oven001"),
            ("instance", "iot-06z00sample"),
        ] {
            assert!(is_placeholder(key, value), "{key}");
        }
        assert!(value_of("keys").is_some_and(|key| key.starts_with("RW")));
        assert!(!is_placeholder("instance", "iot-060a02") && !is_placeholder("host", ""));
    }
}
