use hostler_manifest::Effect::{Changes, Reads};
use proptest::prelude::*;

use super::*;

fn form(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
}

fn text(text: &str) -> Argument {
    Argument::Text(text.into())
}

fn allows(patterns: &[&str], arguments: &[Argument]) -> bool {
    let form = form(patterns);
    decide(&[(&form, Reads)], arguments).is_ok()
}

#[test]
fn literal_text_is_itself_alone() {
    assert!(allows(&["-Fd", "-j"], &[text("-Fd"), text("-j")]));
    assert!(!allows(&["-Fd"], &[text("-Fc")]));
    assert!(!allows(&["-Fd"], &[text("-Fd"), text("-x")]));
    assert!(!allows(&["-Fd"], &[]));
    assert!(allows(&[], &[]));
    assert!(!allows(&["-Fd"], &[Argument::Path("-Fd".into())]));
}

#[test]
fn text_covers_no_option() {
    assert!(allows(&["{text}"], &[text("orders")]));
    for refused in ["-x", "--file=/etc/passwd", "-", ""] {
        assert!(!allows(&["{text}"], &[text(refused)]), "{refused:?}");
    }
    assert!(allows(&["--table={text}"], &[text("--table=public.orders")]));
    assert!(!allows(&["--table={text}"], &[text("--table=-x")]));
    assert!(allows(&["{text}:{text}"], &[text("a-b:c:d")]));
    assert!(allows(&["{text}é"], &[text("caféé")]));
}

#[test]
fn ranges_have_one_spelling() {
    for (given, allowed) in
        [("1", true), ("8", true), ("9", false), ("0", false), ("01", false), ("+1", false), ("1 ", false)]
    {
        assert_eq!(allows(&["{1-8}"], &[text(given)]), allowed, "{given:?}");
    }
    assert!(allows(&["-j{1-16}"], &[text("-j16")]));
    assert!(!allows(&["-j{1-16}"], &[text("-j17")]));
    assert!(!allows(&["{0-18446744073709551615}"], &[text("18446744073709551616")]));
}

#[test]
fn choices_are_words() {
    assert!(allows(&["{start|stop}"], &[text("stop")]));
    assert!(!allows(&["{start|stop}"], &[text("restart")]));
    assert!(allows(&["--mode={a|ab}c"], &[text("--mode=abc")]));
}

#[test]
fn a_path_is_given_as_a_path() {
    let forms = form(&["--file={output}", "{path}"]);
    let given = [Argument::TextPath("--file=".into(), "/backups/a".into()), Argument::Path("/data/b".into())];
    let matched = decide(&[(&forms, Changes)], &given).expect("the form covers it");
    assert_eq!(matched.kinds, [ArgumentKind::Output, ArgumentKind::Path]);
    assert!(!allows(&["{path}"], &[text("/etc/passwd")]));
    assert!(!allows(&["{path}"], &[Argument::TextPath("-o".into(), "/data/b".into())]));
    assert!(!allows(&["--file={path}"], &[text("--file=/etc/passwd")]));
    assert!(!allows(&["--file={path}"], &[Argument::TextPath("--other=".into(), "/data/b".into())]));
}

#[test]
fn dots_repeat_the_pattern_before_them() {
    let patterns = ["-v", "{path}", "..."];
    let path = || Argument::Path("/data/a".into());
    assert!(!allows(&patterns, &[text("-v")]));
    assert!(allows(&patterns, &[text("-v"), path()]));
    assert!(allows(&patterns, &[text("-v"), path(), path(), path()]));
    assert!(!allows(&patterns, &[text("-v"), path(), text("-x")]));
}

#[test]
fn the_first_form_in_order_holds() {
    let (list, any) = (form(&["list"]), form(&["{text}"]));
    let forms: [(&[String], Effect); 2] = [(&list, Reads), (&any, Changes)];
    assert_eq!(decide(&forms, &[text("list")]).map(|matched| (matched.index, matched.effect)), Ok((0, Reads)));
    assert_eq!(decide(&forms, &[text("drop")]).map(|matched| (matched.index, matched.effect)), Ok((1, Changes)));
}

#[test]
fn a_refusal_names_the_pattern_and_never_the_argument() {
    let (one, two) = (form(&["dump", "-j", "{1-8}"]), form(&["list", "..."]));
    let forms: [(&[String], Effect); 2] = [(&one, Reads), (&two, Reads)];
    let refusal = decide(&forms, &[text("dump"), text("-j"), text("secret")]).expect_err("99 is no job count");
    assert_eq!(refusal, ProgramRefusal::Argument { number: 3, form: 1, pattern: "{1-8}".into() });
    assert!(!refusal.to_string().contains("secret"));
    let refusal = decide(&forms, &[text("list"), text("secret")]).expect_err("only list repeats");
    assert_eq!(refusal, ProgramRefusal::Argument { number: 2, form: 2, pattern: "list".into() });
    assert_eq!(decide(&[], &[]), Err(ProgramRefusal::NoForms));
    assert_eq!(decide(&forms, &[text("a\0b")]), Err(ProgramRefusal::Unusable { number: 1 }));
}

#[test]
fn bad_patterns_are_named() {
    for bad in [
        "{",
        "}",
        "a{text",
        "{txt}",
        "{}",
        "{8-1}",
        "{01-8}",
        "{a||b}",
        "{path}.gz",
        "{text}{path}",
        "{{text}}",
        "a\0",
        "{1-99999999999999999999}",
    ] {
        assert!(check_pattern(bad).is_err(), "{bad:?}");
    }
    for good in ["", "-Fd", "{text}", "{1-8}", "{a|b|c}", "{path}", "--file={output}", "...", "{a-b|c}"] {
        assert_eq!(check_pattern(good), Ok(()), "{good:?}");
    }
    assert_eq!(check_form(&form(&["..."])), Err(PatternError::RepeatsNothing));
    assert_eq!(check_form(&form(&["a", "...", "b"])), Err(PatternError::RepeatNotLast));
    assert!(makes_output(&form(&["--file={output}"])) && !makes_output(&form(&["{path}"])));
}

/// A pattern beside an argument that it has to cover.
fn piece() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        "[a-z=/:é-]{1,6}".prop_map(|literal| (literal.clone(), literal)),
        "[^\0-]\\PC{0,12}".prop_map(|given| ("{text}".to_owned(), given)),
        (0u64..1000, 0u64..1000, 0u64..1000).prop_map(|(first, width, step)| {
            (format!("{{{first}-{}}}", first + width), (first + step.min(width)).to_string())
        }),
        ("[a-z-]{1,5}", "[a-z-]{1,5}").prop_map(|(one, two)| (format!("{{{one}|{two}}}"), two)),
    ]
}

proptest! {
    #[test]
    fn what_a_pattern_was_made_from_is_covered(pieces in prop::collection::vec(piece(), 0..5)) {
        let pattern: String = pieces.iter().map(|(pattern, _)| pattern.as_str()).collect();
        let given: String = pieces.iter().map(|(_, given)| given.as_str()).collect();
        prop_assume!(pattern != REPEAT);
        prop_assert_eq!(check_pattern(&pattern), Ok(()));
        prop_assert!(allows(&[&pattern], &[text(&given)]), "{} {}", pattern, given);
    }

    #[test]
    fn text_never_covers_an_option(option in "-\\PC{0,20}") {
        prop_assert_eq!(allows(&["{text}"], &[text(&option)]), false);
        prop_assert_eq!(allows(&["{text}", "..."], &[text("a"), text(&option)]), false);
    }

    #[test]
    fn a_range_covers_what_lies_in_it(first in 0u64..50, width in 0u64..50, given in 0u64..200) {
        let pattern = format!("{{{first}-{}}}", first + width);
        prop_assert_eq!(allows(&[&pattern], &[text(&given.to_string())]), (first..=first + width).contains(&given));
    }

    #[test]
    fn nothing_panics(patterns in prop::collection::vec("[{}a|0-9.\\-pathoutextx=é]{0,12}", 0..4), given in prop::collection::vec("\\PC{0,12}", 0..4)) {
        let arguments: Vec<_> = given.iter().map(|given| text(given)).collect();
        let _ = decide(&[(&patterns, Reads)], &arguments);
    }

    #[test]
    fn plain_text_covers_itself_alone(literal in "[a-z/=-]{1,12}", given in "[a-z/=-]{1,12}") {
        prop_assert_eq!(allows(&[&literal], &[text(&given)]), literal == given);
    }
}
