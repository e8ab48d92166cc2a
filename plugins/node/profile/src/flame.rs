//! A flame graph as one SVG file: no script, no font and no file beside it, so that it opens anywhere and does nothing.
//! What a bar stands for is shown when the pointer rests on it.

use std::fmt::Write;

use crate::stacks::Stacks;

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 17.0;
/// Above the bars, for the title.
const HEAD: f64 = 30.0;
/// A bar narrower than this is not to be seen.
const NARROWEST: f64 = 0.4;
/// Letters of the font, about.
const LETTER: f64 = 7.0;
/// A stack deeper than this is cut: nobody scrolls through thousands of the same function.
const DEEPEST: usize = 200;

/// Draws the stacks, callers above what they call.
pub(crate) fn draw(stacks: &Stacks, title: &str) -> String {
    let whole = stacks.total();
    let mut bars = String::new();
    let mut levels = 0;
    let mut open = vec![(0, 0.0, 0)];
    while let Some((place, left, level)) = open.pop() {
        let frame = &stacks.frames[place];
        let width = frame.total / whole * WIDTH;
        if !width.is_finite() || width < NARROWEST || level > DEEPEST {
            continue;
        }
        levels = levels.max(level);
        let name = if place == 0 { "all" } else { frame.name.as_str() };
        bar(&mut bars, name, &frame.place, frame.total / whole * 100.0, (left, width, level));
        let mut x = left;
        for &child in &frame.children {
            open.push((child, x, level + 1));
            x += stacks.frames[child].total / whole * WIDTH;
        }
    }
    let height = HEAD + (levels + 1) as f64 * HEIGHT + 10.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"6\" y=\"20\" font-size=\"14\">{}</text>\n{bars}</svg>\n",
        escaped(title)
    )
}

fn bar(bars: &mut String, name: &str, place: &str, percent: f64, (left, width, level): (f64, f64, usize)) {
    let top = HEAD + level as f64 * HEIGHT;
    let fits = ((width - 6.0) / LETTER).max(0.0) as usize;
    let shown: String = if name.chars().count() <= fits {
        name.into()
    } else if fits > 3 {
        name.chars().take(fits - 1).chain(['…']).collect()
    } else {
        String::new()
    };
    let separator = if place.is_empty() { "" } else { " " };
    // Writing into a text cannot fail.
    let _ = writeln!(
        bars,
        "<g><title>{}{separator}{} ({percent:.1} %)</title><rect x=\"{left:.2}\" y=\"{top}\" width=\"{width:.2}\" height=\"{:.0}\" rx=\"1\" fill=\"{}\"/><text x=\"{:.2}\" y=\"{}\">{}</text></g>",
        escaped(name),
        escaped(place),
        HEIGHT - 1.0,
        colour(name),
        left + 3.0,
        top + 12.0,
        escaped(&shown)
    );
}

/// A warm colour that is always the same for a function.
fn colour(name: &str) -> String {
    let sum = name.bytes().fold(2_166_136_261_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(16_777_619));
    format!("hsl({},{}%,{}%)", sum % 50, 70 + sum / 50 % 20, 62 + sum / 1000 % 12)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
