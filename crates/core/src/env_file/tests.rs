use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> EnvName {
    text.parse().expect(text)
}

/// A file with the variables `V0`, `V1`, ….
fn file_of(values: &[String]) -> EnvFile {
    let mut file = EnvFile::default();
    for (i, value) in values.iter().enumerate() {
        file.set(name(&format!("V{i}")), value).expect("a value");
    }
    file
}

/// Texts full of what readers may stumble over.
fn values() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        3 => prop::sample::select(vec![
            "\\", "\"", "$", "`", "'", "\r", "\t", "\u{1}", "\u{7f}", "\u{1b}", "#", ";", "!", "~", " ", "=", "&", "|",
            "(", ")", "*", "{a,b}", "$HOME", "${V0}", "$(id)", "`id`", "\\n", "\\\\", "\\\"", "=x", "~/", "!!", "%h",
            "😀", "é", "\u{a0}", "\u{85}", "\u{2028}", "\u{feff}",
        ])
        .prop_map(str::to_owned)
        .boxed(),
        1 => any::<char>().prop_map(String::from).boxed(),
        1 => "[a-zA-Z0-9]{1,4}".boxed(),
    ];
    prop::collection::vec(token, 0..8).prop_map(|tokens| {
        tokens.concat().chars().filter(|c| !matches!(c, '\n' | '\0') && !is_noncharacter(*c)).collect()
    })
}

/// What `shell` says the variables are after it read `text` as people do.
fn read_by_shell(shell: &[&str], text: &str, count: usize) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    let prints: String = (0..count).map(|i| format!("printf '%s\\0' \"$V{i}\"; ")).collect();
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .arg("-c")
        .arg(format!("set -aeu; . \"$0\"; {prints}"))
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell:?} complains");
    assert!(output.status.success(), "{shell:?} fails");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    printed.split_terminator('\0').map(str::to_owned).collect()
}

/// How systemd reads an `EnvironmentFile=`, as far as this form of file goes:
/// written from systemd.exec(5), and from what it does with other characters
/// behind a backslash.
fn read_by_systemd(text: &str) -> Vec<(String, String)> {
    let mut read = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("an assignment with a quoted value");
        let mut value = String::new();
        let mut characters = after.chars();
        loop {
            match characters.next().expect("a closing quote") {
                '"' => break,
                '\\' => match characters.next().expect("an escaped character") {
                    escaped @ ('"' | '\\' | '`' | '$') => value.push(escaped),
                    '\n' => {}
                    other => value.extend(['\\', other]),
                },
                plain => value.push(plain),
            }
        }
        rest = characters.as_str().strip_prefix('\n').expect("nothing behind the closing quote");
        read.push((name.to_owned(), value));
    }
    read
}

#[test]
fn the_file_is_this() {
    let file = file_of(&["", "plain", r#"a "quoted" \ $HOME `id` 'x' #;!~ "#].map(str::to_owned));
    insta::assert_snapshot!(file.render(), @r##"
    V0=""
    V1="plain"
    V2="a \"quoted\" \\ \$HOME \`id\` 'x' #;!~ "
    "##);
}

#[test]
fn a_refusal_names_the_variable_and_never_the_value() {
    let mut file = EnvFile::default();
    file.set(name("TOKEN"), "poison").expect("a value");
    let long = "poison".repeat(11_000);
    let messages: Vec<String> =
        [("A", "poison\n"), ("A", "poison\0"), ("A", "poison\u{fffe}"), ("A", &long), ("TOKEN", "poison")]
            .into_iter()
            .map(|(variable, value)| {
                let error = file.set(name(variable), value).expect_err("refused");
                assert!(!format!("{error} {error:?}").contains("poison"), "{error:?}");
                error.to_string()
            })
            .collect();
    insta::assert_snapshot!(messages.join("\n"), @r"
    the value of `A` has more than one line: encode it, as base64 for instance
    the value of `A` has a NUL byte: encode it, as base64 for instance
    the value of `A` has a Unicode noncharacter, which systemd refuses: encode it, as base64 for instance
    the value of `A` has 66000 bytes: 65536 is the most
    `TOKEN` is set twice
    ");
    assert_eq!(file.render(), "TOKEN=\"poison\"\n", "what was refused left nothing");
}

#[test]
fn debug_shows_no_value() {
    assert_eq!(format!("{:?}", file_of(&["poison".to_owned()])), "{\"V0\"}");
}

#[test]
fn every_control_character_is_read_alike() {
    let controls: Vec<String> = (1u8..=0x9f)
        .map(char::from)
        .filter(|c| c.is_control() && *c != '\n')
        .map(|c| format!("{c}a{c}{c} {c}"))
        .collect();
    let text = file_of(&controls).render();
    for shell in SHELLS {
        assert_eq!(read_by_shell(shell, &text, controls.len()), controls, "{shell:?}");
    }
}

const SHELLS: [&[&str]; 3] = [&["sh"], &["bash"], &["bash", "--posix"]];

/// Where systemd keeps the program that reads `environment.d` with the same
/// parser as `EnvironmentFile=`.
const GENERATORS: [&str; 2] = [
    "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator",
    "/run/current-system/systemd/lib/systemd/user-environment-generators/30-systemd-environment-d-generator",
];

/// What systemd's own parser makes of the file, or nothing where there is no
/// systemd.
///
/// The generator expands variables after the parsing, which doubled dollar
/// signs undo. It prints assignments for a shell, but quotes a value only when
/// it has a blank, a quote or the like, and control characters in a way that
/// not every shell reads. So the values have a quote and no control character.
fn read_by_real_systemd(values: &[String]) -> Option<Vec<String>> {
    let generator = GENERATORS.iter().find(|path| std::path::Path::new(path).exists())?;
    let doubled: Vec<String> = values.iter().map(|value| value.replace('$', "$$")).collect();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("environment.d")).expect("a folder");
    std::fs::write(folder.path().join("environment.d/a.conf"), file_of(&doubled).render()).expect("written");
    let output = Command::new(generator)
        .env_clear()
        .env("XDG_CONFIG_HOME", folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("the generator");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "the generator complains");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    Some(read_by_shell(&["sh"], &printed, values.len()))
}

proptest! {
    // Each case is a process or more, with many values.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shells_read_what_was_set(values in prop::collection::vec(values(), 100)) {
        let text = file_of(&values).render();
        for shell in SHELLS {
            prop_assert_eq!(&read_by_shell(shell, &text, values.len()), &values, "{:?}", shell);
        }
    }

    #[test]
    fn systemd_reads_what_was_set(values in prop::collection::vec(values(), 100)) {
        let values: Vec<String> =
            values.into_iter().map(|value| value.replace(char::is_control, "c") + "'").collect();
        if let Some(read) = read_by_real_systemd(&values) {
            prop_assert_eq!(read, values);
        }
    }
}

proptest! {
    #[test]
    fn the_documented_form_reads_what_was_set(values in prop::collection::vec(values(), 0..10)) {
        let file = file_of(&values);
        let read: Vec<(String, String)> = read_by_systemd(&file.render());
        let set: Vec<(String, String)> =
            values.into_iter().enumerate().map(|(i, value)| (format!("V{i}"), value)).collect();
        prop_assert_eq!(read, set);
    }
}
