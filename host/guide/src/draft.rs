//! What the configuration will say: resources, a task for each plugin, and which of them could not be bound, and why.

use std::collections::{BTreeMap, BTreeSet};

use hostler_manifest::{Manifest, Request};

use crate::{
    Found, GuideError, Item, Rhythm,
    answers::{Answer, answers},
    items,
    stanza::{Stanza, resource_of},
};

/// What the configuration will say.
#[derive(Debug, Default)]
pub struct Draft {
    /// `[KIND.NAME]` sections by their full name.
    pub(crate) resources: BTreeMap<String, String>,
    /// A task for each plugin, one for each server where there are several; each procedure in the guide's order.
    pub(crate) stanzas: Vec<Stanza>,
    /// The items that no installed plugin answers.
    pub(crate) unanswered: Vec<Item>,
    /// The guide.
    pub(crate) items: Vec<Item>,
    /// Directories of the host's own that tasks write to, to be made.
    pub(crate) own: BTreeSet<String>,
}

/// Binds each plugin to what was found.
///
/// # Errors
/// Where a built-in table is damaged.
pub fn draft(manifests: &[Manifest], found: &Found) -> Result<Draft, GuideError> {
    let (items, answers) = (items()?, answers()?);
    let mut draft = Draft { items, ..Draft::default() };
    let mut manifests: Vec<(&Manifest, Rhythm, usize)> = manifests
        .iter()
        .filter_map(|manifest| {
            let (rhythm, place) = rhythm(manifest, &draft.items, answers.get(&manifest.plugin.name))?;
            Some((manifest, rhythm, place))
        })
        .collect();
    manifests.sort_by_key(|(manifest, rhythm, place)| (*rhythm, *place, manifest.plugin.name.clone()));
    for (manifest, rhythm, _) in &manifests {
        let answer = answers.get(&manifest.plugin.name).cloned().unwrap_or_default();
        for server in servers(manifest, found) {
            let stanza = draft.stanza(manifest, *rhythm, &answer, found, server);
            draft.stanzas.push(stanza);
        }
    }
    let answered: BTreeSet<&String> = manifests.iter().flat_map(|(manifest, ..)| &manifest.plugin.guide).collect();
    draft.unanswered = draft.items.iter().filter(|item| !answered.contains(&item.name)).cloned().collect();
    Ok(draft)
}

/// The procedure of a plugin's first item that stands in one, or what the table says, with the item's place.
fn rhythm(manifest: &Manifest, items: &[Item], answer: Option<&Answer>) -> Option<(Rhythm, usize)> {
    let places = manifest.plugin.guide.iter().filter_map(|name| items.iter().position(|item| item.name == *name));
    let mut places: Vec<usize> = places.collect();
    places.sort_unstable();
    let listed = places.iter().find_map(|place| items[*place].procedure.map(|rhythm| (rhythm, *place)));
    let told = answer.and_then(|answer| answer.procedure);
    match (told, listed, places.first()) {
        (Some(rhythm), _, Some(place)) => Some((rhythm, *place)),
        (None, Some(listed), _) => Some(listed),
        (None, None, Some(place)) => Some((Rhythm::Weekly, *place)),
        (_, _, None) => None,
    }
}

/// The servers that a plugin needs a task for, one each; a single task where it takes many, or none at all.
fn servers<'f>(manifest: &Manifest, found: &'f Found) -> Vec<Option<&'f str>> {
    let needs = |kind: &str| {
        manifest.requests.values().any(|request| request.kind() == kind && !request.many() && !request.optional())
    };
    let all = match (needs("postgres"), needs("redis")) {
        (true, false) => &found.postgres,
        (false, true) => &found.redis,
        _ => return vec![None],
    };
    if all.len() < 2 { vec![None] } else { all.iter().map(|server| Some(server.name.as_str())).collect() }
}

impl Draft {
    fn stanza(
        &mut self,
        manifest: &Manifest,
        rhythm: Rhythm,
        answer: &Answer,
        found: &Found,
        server: Option<&str>,
    ) -> Stanza {
        let plugin = &manifest.plugin;
        let task = match server {
            Some(server) if server != "main" => format!("{}-{server}", plugin.name),
            _ => plugin.name.clone(),
        };
        let mut stanza = Stanza::new(task, plugin, rhythm, answer);
        if found.is_local(server) {
            for (setting, places) in &answer.data {
                if let Some(place) = places.iter().find_map(|place| found.path(place)) {
                    stanza.settings.insert(setting.clone(), place.display().to_string().into());
                }
            }
        }
        for (name, request) in &manifest.requests {
            let bound = answer.bind.get(name).cloned().unwrap_or_default();
            match self.bind(request, &bound, found, server) {
                Ok(names) => stanza.bindings.push((name.clone(), request.many(), names)),
                Err(reason) if request.optional() => stanza.unbound.push((name.clone(), reason)),
                Err(reason) => stanza.lacks.push(format!("{name}: {reason}")),
            }
        }
        // Where each of its requests is optional, one of them has to be there all the same; of some of them where the
        // table says so.
        let counts = |name: &String| answer.one_of.is_empty() || answer.one_of.contains(name);
        if stanza.lacks.is_empty() && !stanza.bindings.iter().any(|(name, ..)| counts(name)) {
            let missing = stanza.unbound.iter().filter(|(name, _)| counts(name));
            stanza.lacks = missing.map(|(name, reason)| format!("{name}: {reason}")).collect();
        }
        let given = |name: &String| answer.settings.contains_key(name);
        let missing = manifest.settings.iter().filter(|(name, setting)| setting.required && !given(name));
        stanza.asks.extend(missing.map(|(name, setting)| (name.clone(), setting.summary.trim().to_owned())));
        stanza
    }

    /// The resources that a request is bound to, written on the way; or why there is none.
    fn bind(
        &mut self,
        request: &Request,
        bound: &crate::answers::Bound,
        found: &Found,
        server: Option<&str>,
    ) -> Result<Vec<String>, String> {
        if let Some(reason) = &bound.left {
            return Err(reason.clone());
        }
        let resources = resource_of(request, bound, found, server)?;
        let mut names = vec![];
        for resource in resources {
            self.own.extend(resource.own);
            if let Some(text) = resource.text {
                self.resources
                    .entry(resource.name.clone())
                    .and_modify(|before| *before = joined(before, &text))
                    .or_insert(text);
            }
            names.push(resource.name);
        }
        Ok(names)
    }

    /// The tasks of a procedure that are bound, in its order.
    pub(crate) fn live(&self, rhythm: Rhythm) -> impl Iterator<Item = &Stanza> {
        self.stanzas.iter().filter(move |stanza| stanza.rhythm == rhythm && stanza.is_live())
    }

    /// How many tasks are bound, and how many are left to the operator.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let live = self.stanzas.iter().filter(|stanza| stanza.is_live()).count();
        (live, self.stanzas.len() - live)
    }

    /// Directories that tasks write to, to be made beside the host's own.
    #[must_use]
    pub fn own_directories(&self) -> &BTreeSet<String> {
        &self.own
    }
}

/// Two plugins that use one program each have their forms of it, and set their variables.
fn joined(before: &str, text: &str) -> String {
    let mut joined = before.to_owned();
    for line in text.lines().filter(|line| line.starts_with("  {") && !before.contains(*line)) {
        joined = joined.replacen("allow = [\n", &format!("allow = [\n{line}\n"), 1);
    }
    let variables = |text: &str| -> Vec<String> {
        let line = text.lines().find_map(|line| line.strip_prefix("environment = [")?.strip_suffix(']'));
        line.into_iter().flat_map(|names| names.split(", ")).map(str::to_owned).collect()
    };
    let (own, further) = (variables(before), variables(text));
    let all: BTreeSet<&String> = own.iter().chain(&further).collect();
    if all.len() > own.len() {
        let kept = joined.lines().filter(|line| !line.starts_with("environment = ["));
        let names: Vec<&str> = all.into_iter().map(String::as_str).collect();
        let line = format!("environment = [{}]", names.join(", "));
        joined = kept.chain([line.as_str()]).map(|line| format!("{line}\n")).collect();
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn a_program_of_two_plugins_has_the_forms_and_the_variables_of_both() {
        let one = "path = \"/p\"\nallow = [\n  { arguments = [\"a\"] },\n]\n";
        let other = "path = \"/p\"\nallow = [\n  { arguments = [\"b\"] },\n]\nenvironment = [\"X\"]\n";
        let both = joined(one, other);
        let written: toml::Table = both.parse().expect("it is TOML");
        assert_eq!(written["allow"].as_array().map(Vec::len), Some(2));
        assert_eq!(written["environment"].as_array().map(Vec::len), Some(1));
        assert_eq!(joined(&both, one), both, "there is nothing new in it");
        let more = joined(&both, &other.replace("\"X\"", "\"A\", \"X\""));
        assert!(more.contains("environment = [\"A\", \"X\"]"), "{more}");
    }
}
