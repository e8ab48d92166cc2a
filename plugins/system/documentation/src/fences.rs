//! Code fences, as CommonMark has them, and those that do not close. A fence closes by the same marks, as many at least,
//! with nothing behind them: marks with a word behind them begin one, and stand in another only by mistake. There they
//! are taken for the end that was meant, so that the rest of the document is read as its author saw it.

/// What stands between two fences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The line of its first fence, from 1 on.
    pub line: usize,
    /// The first word behind the marks, in lower case.
    pub language: String,
    /// Its lines.
    pub lines: Vec<String>,
}

/// A fence that does not close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Where it begins.
    pub line: usize,
    /// Where marks with a word behind them stand instead of its end; nothing where it runs to the document's end.
    pub instead: Option<usize>,
}

/// A document in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    pub blocks: Vec<Block>,
    pub open: Vec<Open>,
    /// What is outside of fences, with the numbers of its lines.
    pub prose: Vec<(usize, String)>,
}

struct Fence<'l> {
    mark: char,
    length: usize,
    info: &'l str,
}

impl Parts {
    pub fn read(text: &str) -> Self {
        let mut parts = Self::default();
        let mut current: Option<(char, usize, Block)> = None;
        for (number, line) in text.lines().enumerate().map(|(place, line)| (place + 1, line)) {
            let fence = fence(line);
            match (&mut current, fence) {
                (None, Some(Fence { mark, length, info })) => {
                    let language = info.split([' ', '{', ',']).next().unwrap_or_default().to_ascii_lowercase();
                    current = Some((mark, length, Block { line: number, language, lines: vec![] }));
                }
                (Some((mark, length, block)), Some(fence)) if fence.mark == *mark && fence.length >= *length => {
                    if !fence.info.is_empty() {
                        parts.open.push(Open { line: block.line, instead: Some(number) });
                    }
                    parts.blocks.extend(current.take().map(|(_, _, block)| block));
                }
                (Some((_, _, block)), _) => block.lines.push(line.to_owned()),
                (None, None) => parts.prose.push((number, line.to_owned())),
            }
        }
        if let Some((_, _, block)) = current {
            parts.open.push(Open { line: block.line, instead: None });
            parts.blocks.push(block);
        }
        parts
    }
}

fn fence(line: &str) -> Option<Fence<'_>> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|mark| ['`', '~'].contains(mark))?;
    let length = line.chars().take_while(|letter| *letter == mark).count();
    let info = line[length..].trim();
    // Marks within a line are code of that line.
    (length >= 3 && !(mark == '`' && info.contains('`'))).then_some(Fence { mark, length, info })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_fences_have_their_lines_and_the_prose_is_what_is_left() {
        let parts = Parts::read("a\n```Bash title\nls\n```\nb\n~~~\n```\n~~~\n````md\n```sh\n```\n````\n```x` y\n");
        let told: Vec<_> =
            parts.blocks.iter().map(|block| (block.line, block.language.as_str(), block.lines.len())).collect();
        assert_eq!(told, [(2, "bash", 1), (6, "", 1), (9, "md", 2)]);
        assert!(parts.open.is_empty());
        assert_eq!(parts.prose.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 5, 13]);
    }

    #[test]
    fn a_fence_that_ends_with_a_word_behind_its_marks_does_not_end() {
        let parts = Parts::read("```yaml\na: 1\n```typescript\n\n## Next\n```bash\nls\n```typescript\n```sh\nps\n");
        assert_eq!(
            parts.open,
            [Open { line: 1, instead: Some(3) }, Open { line: 6, instead: Some(8) }, Open { line: 9, instead: None }]
        );
        assert_eq!(parts.prose[1].1, "## Next", "what follows is read as it was meant");
        assert_eq!(parts.blocks[1].lines, ["ls"]);
    }
}
