//! What a program's forms allow, held against a matcher that is written a second time, letter by letter.
//!
//! An input is patterns, one a line, `--` between two forms, a line `==`, and then the arguments: `t:TEXT`, `p:PATH`
//! or `x:TEXT|PATH`.

use hostler_manifest::Effect;
use hostler_policy::program::{Argument, ArgumentKind, check_form, decide};

/// Reads an input as forms and arguments.
fn read(text: &str) -> (Vec<Vec<String>>, Vec<Argument>) {
    let (forms, arguments) = text.split_once("\n==\n").unwrap_or((text, ""));
    let forms = forms.split("\n--\n").map(|form| form.lines().map(str::to_owned).collect()).collect();
    let argument = |line: &str| match line.split_once(':') {
        Some(("p", path)) => Argument::Path(path.into()),
        Some(("x", both)) => {
            let (text, path) = both.split_once('|').unwrap_or((both, ""));
            Argument::TextPath(text.into(), path.into())
        }
        Some(("t", text)) => Argument::Text(text.into()),
        _ => Argument::Text(line.into()),
    };
    (forms, arguments.lines().map(argument).collect())
}

/// Whether a pattern may stand for a text.
fn may_stand_for(pattern: &str, text: &str) -> bool {
    let Some(letter) = pattern.chars().next() else { return text.is_empty() };
    if letter != '{' {
        return text.strip_prefix(letter).is_some_and(|rest| may_stand_for(&pattern[letter.len_utf8()..], rest));
    }
    let (inside, rest) = pattern[1..].split_once('}').expect("a pattern that was read has both braces");
    let begins = text.char_indices().map(|(place, _)| place).chain([text.len()]);
    begins.into_iter().any(|end| {
        let given = &text[..end];
        let fits = match inside.split_once('-') {
            _ if inside == "text" => !given.is_empty() && !given.starts_with('-'),
            _ if inside.contains('|') => inside.split('|').any(|word| word == given),
            Some((first, last)) => {
                let number = |text: &str| text.parse::<u128>().ok();
                let bounds = number(first).zip(number(last)).zip(number(given));
                bounds.is_some_and(|((first, last), given)| (first..=last).contains(&given))
                    && given.bytes().all(|digit| digit.is_ascii_digit())
                    && (given == "0" || !given.starts_with('0'))
            }
            None => false,
        };
        fits && may_stand_for(rest, &text[end..])
    })
}

fn covers(pattern: &str, argument: &Argument) -> bool {
    let before = pattern.strip_suffix("{path}").or_else(|| pattern.strip_suffix("{output}"));
    match (before, argument) {
        (None, Argument::Text(text)) => may_stand_for(pattern, text),
        (Some(before), Argument::Path(_)) => before.is_empty(),
        (Some(before), Argument::TextPath(text, _)) => before == text,
        _ => false,
    }
}

/// What is allowed is what the form that is named says, place by place, and no form before it says so too.
pub fn program(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (forms, arguments) = read(text);
    // The second matcher tries every place, which long texts make slow.
    if text.len() > 400 || text.matches('{').count() > 6 {
        return;
    }
    let granted: Vec<(&[String], Effect)> = forms.iter().map(|form| (form.as_slice(), Effect::Reads)).collect();
    let Ok(matched) = decide(&granted, &arguments) else { return };
    let form = &forms[matched.index];
    assert_eq!(check_form(form), Ok(()), "a form that is none has allowed a call");
    let patterns: Vec<&String> = form.iter().filter(|pattern| *pattern != "...").collect();
    let repeats = patterns.len() < form.len();
    assert!(arguments.len() == patterns.len() || (repeats && arguments.len() > patterns.len()));
    for (place, argument) in arguments.iter().enumerate() {
        let pattern = patterns[place.min(patterns.len() - 1)];
        assert!(covers(pattern, argument), "{pattern:?} does not say {argument:?}");
        assert_eq!(matched.kinds[place] == ArgumentKind::Text, matches!(argument, Argument::Text(_)));
        let bytes = match argument {
            Argument::Text(text) | Argument::Path(text) => text.contains('\0'),
            Argument::TextPath(text, path) => text.contains('\0') || path.contains('\0'),
        };
        assert!(!bytes, "no process can be given a NUL");
    }
    for earlier in &forms[..matched.index] {
        assert!(decide(&[(earlier, Effect::Reads)], &arguments).is_err(), "an earlier form says it too");
    }
}
