//! Who must vouch for an image, as it is written in the file.

use super::*;

/// The faults of a configuration with this section `[update]`.
fn faults_of(case: &Case, update: &str) -> Vec<String> {
    let loaded = case.load_as_is(&format!("{CLOUD}[update]\n{update}"));
    let faults = loaded.config.map_or_else(|faults| faults, |_| Vec::new());
    faults.into_iter().map(|fault| fault.0).collect()
}

#[test]
fn a_device_that_pins_nobodys_key_must_say_that_digests_are_enough() {
    let case = Case::new();
    let faults = faults_of(&case, "");
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].contains("`update.keys` is missing")
            && faults[0].contains("require = \"digest\"")
    );
    let config = case.good(&format!("{CLOUD}[update]\nrequire = \"digest\""));
    assert!(!config.fetch.vouching.require_signature);
    let config = case.good(CLOUD);
    assert!(config.fetch.vouching.require_signature);
    assert_eq!(config.fetch.vouching.keys.len(), 1);
    assert_eq!(config.fetch.vouching.target, env!("HOTPLATE_TARGET"));
}

#[test]
fn a_key_that_is_none_or_is_there_twice_and_a_wrong_demand_are_told() {
    let case = Case::new();
    let twice = format!("keys = [\"{KEY}\", \"{KEY}\"]");
    let cases = [
        ("keys = [\"abc\"]", "`update.keys` has \"abc\""),
        (&*twice, "twice"),
        ("keys = \"abc\"", "a list of at most 8"),
        ("require = \"nothing\"", "\"signature\" or \"digest\""),
        ("require = \"digest\"\ntarget = \"a b\"", "target triple"),
        ("require = \"digest\"\nentry = \"../x\"", "`update.entry`"),
        (
            "require = \"digest\"\ndigest_sign_key = \"no.pem\"",
            "cannot be read",
        ),
    ];
    for (update, word) in cases {
        let faults = faults_of(&case, update);
        assert!(
            faults.iter().any(|fault| fault.contains(word)),
            "{update}: {faults:?}"
        );
    }
}

#[test]
fn the_platforms_key_must_be_an_rsa_key_of_2048_bits_in_pem_form() {
    let case = Case::new();
    let with = |text: &str| {
        case.write("platform.pem", text, 0o600);
        faults_of(
            &case,
            "require = \"digest\"\ndigest_sign_key = \"platform.pem\"",
        )
    };
    assert!(with("hello")[0].contains("not a public key in PEM form"));
    // An Ed25519 key, as `openssl pkey -pubout` writes it.
    let other = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    assert!(with(other)[0].contains("not an RSA key of 2048 bits"));
}
