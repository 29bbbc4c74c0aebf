//! What a document says of entities, gathered from its passages.

use std::collections::HashMap;

use rag_core::Chunk;
use serde::Deserialize;

/// Entities of a document at most, those first that are spoken of most.
const MOST_ENTITIES: usize = 300;
/// What is kept of one entity.
const MOST_SENTENCES: usize = 12;
const MOST_RELATIONS: usize = 32;
const MOST_PASSAGES: usize = 32;
/// Longer names are none, and longer sentences are cut.
const LONGEST_NAME: usize = 120;
const LONGEST_SENTENCE: usize = 400;

/// What a model finds in some passages.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Found {
    entities: Vec<FoundEntity>,
    relations: Vec<FoundRelation>,
}

#[derive(Deserialize)]
struct FoundEntity {
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct FoundRelation {
    from: String,
    to: String,
    #[serde(default)]
    description: String,
}

/// An entity as the document describes it.
pub(crate) struct Entity<'a> {
    pub(crate) name: String,
    kind: String,
    /// What is said of it.
    sentences: Vec<String>,
    /// The other entity's name, and how they are related.
    pub(crate) relations: Vec<(String, String)>,
    /// Where it is spoken of, in order.
    pub(crate) passages: Vec<&'a Chunk>,
    mentions: usize,
}

/// All of them, by name.
#[derive(Default)]
pub(crate) struct Entities<'a> {
    all: Vec<Entity<'a>>,
    by_name: HashMap<String, usize>,
}

impl<'a> Entities<'a> {
    /// Adds what was found in these passages. Relations of what is not among the entities are left out.
    pub(crate) fn add(&mut self, found: Found, passages: &[&'a Chunk]) {
        let lower: Vec<String> = passages.iter().map(|it| it.text.to_lowercase()).collect();
        for FoundEntity { name, kind, description } in found.entities {
            let Some(entity) = self.entity(&name) else { continue };
            entity.mentions += 1;
            if entity.kind.is_empty() {
                entity.kind = sentence(&kind);
            }
            push_new(&mut entity.sentences, sentence(&description), MOST_SENTENCES);
            for passage in mentioning(&entity.name, passages, &lower) {
                let is_new = entity.passages.iter().all(|other| other.id != passage.id);
                if is_new && entity.passages.len() < MOST_PASSAGES {
                    entity.passages.push(passage);
                }
            }
        }
        for FoundRelation { from, to, description } in found.relations {
            let (Some(from), Some(to)) = (self.find(&from), self.find(&to)) else { continue };
            if from != to {
                self.relate(from, to, &description);
                self.relate(to, from, &description);
            }
        }
    }

    /// Those that are related to others or spoken of several times. The rest is names without a story.
    pub(crate) fn into_worth_keeping(self) -> Vec<Entity<'a>> {
        let mut kept = self.all;
        kept.retain(|entity| !entity.relations.is_empty() || entity.mentions > 1);
        kept.sort_by_key(|entity| {
            std::cmp::Reverse(entity.mentions.saturating_add(entity.relations.len()))
        });
        kept.truncate(MOST_ENTITIES);
        kept
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&key(name)).copied()
    }

    fn entity(&mut self, name: &str) -> Option<&mut Entity<'a>> {
        let key = key(name);
        if key.is_empty() || key.len() > LONGEST_NAME {
            return None;
        }
        let next = self.all.len();
        let at = *self.by_name.entry(key).or_insert(next);
        if at == next {
            self.all.push(Entity {
                name: name.split_whitespace().collect::<Vec<_>>().join(" "),
                kind: String::new(),
                sentences: Vec::new(),
                relations: Vec::new(),
                passages: Vec::new(),
                mentions: 0,
            });
        }
        self.all.get_mut(at)
    }

    fn relate(&mut self, from: usize, to: usize, description: &str) {
        let Some(other) = self.all.get(to).map(|other| other.name.clone()) else { return };
        if let Some(entity) = self.all.get_mut(from) {
            push_new(&mut entity.relations, (other, sentence(description)), MOST_RELATIONS);
        }
    }
}

impl Entity<'_> {
    /// What a reader should know: name and kind, what is said, and one line for each relation.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![match self.kind.is_empty() {
            true => self.name.clone(),
            false => format!("{} ({})", self.name, self.kind),
        }];
        lines.extend(self.sentences.iter().cloned());
        lines.extend(self.relations.iter().map(|(other, how)| match how.is_empty() {
            true => format!("- {other}"),
            false => format!("- {other}: {how}"),
        }));
        lines.join("\n")
    }
}

/// The passages in which the name stands, given their texts in lower case; the first one where it stands in none, as in
/// an answer that completes it.
fn mentioning<'a>(name: &str, passages: &[&'a Chunk], lower: &[String]) -> Vec<&'a Chunk> {
    let name = name.to_lowercase();
    let holding = passages.iter().zip(lower).filter(|(_, text)| text.contains(&name));
    let found: Vec<&Chunk> = holding.map(|(passage, _)| *passage).collect();
    match found.is_empty() {
        true => passages.first().copied().into_iter().collect(),
        false => found,
    }
}

fn key(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn sentence(text: &str) -> String {
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.truncate(text.floor_char_boundary(LONGEST_SENTENCE));
    text
}

fn push_new<T: PartialEq + Default>(list: &mut Vec<T>, item: T, most: usize) {
    if item != T::default() && !list.contains(&item) && list.len() < most {
        list.push(item);
    }
}
