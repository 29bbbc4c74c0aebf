//! What ranking needs to know of the corpus: counted anew each time, but for what is large, which is remembered for a
//! moment.

use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rag_core::StoreError;
use rag_terms::{FIELDS, QuestionTerm, TextField};
use rustc_hash::FxHashMap;

use crate::connection::{Connection, column, count};
use crate::lexemes::term_query;

/// From so many chunks on a number is remembered.
const LARGE: u64 = 5_000;
/// For so long.
const FRESH: Duration = Duration::from_secs(60);
/// Numbers that are remembered.
const MOST_REMEMBERED: usize = 50_000;

/// How much the searched datasets hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Corpus {
    pub(crate) chunks: u64,
    body_terms: u64,
    title_terms: u64,
}

impl Corpus {
    /// The terms that a field has on average.
    pub(crate) fn average_length(&self, field: TextField) -> f32 {
        let chunks = self.chunks.max(1) as f32;
        match field {
            TextField::Body => (self.body_terms as f32 / chunks).max(1.0),
            TextField::Title => (self.title_terms as f32 / chunks).max(1.0),
            _ => field.usual_length().unwrap_or(1) as f32,
        }
    }

    pub(crate) fn average_lengths(&self) -> [f32; FIELDS] {
        TextField::ALL.map(|field| self.average_length(field))
    }
}

/// Numbers that are dear to count, and that need not be of this very moment.
#[derive(Default)]
pub(crate) struct Statistics {
    corpora: Remembered<Vec<i64>, Corpus>,
    matching: Remembered<(Vec<i64>, String), u64>,
}

impl Statistics {
    /// How much these datasets hold.
    pub(crate) fn corpus(
        &self,
        database: &mut Connection,
        datasets: &[i64],
    ) -> Result<Corpus, StoreError> {
        if let Some(corpus) = self.corpora.get(&datasets.to_vec()) {
            return Ok(corpus);
        }
        let row = database.one(
            "SELECT coalesce(sum(chunks), 0)::bigint, coalesce(sum(body_terms), 0)::bigint,
                    coalesce(sum(title_terms), 0)::bigint
             FROM document WHERE dataset = ANY($1)",
            &[&datasets],
        )?;
        let corpus = Corpus {
            chunks: count(&row, 0)?,
            body_terms: count(&row, 1)?,
            title_terms: count(&row, 2)?,
        };
        if corpus.chunks >= LARGE {
            self.corpora.put(datasets.to_vec(), corpus);
        }
        Ok(corpus)
    }

    /// How many chunks of these datasets have each term.
    pub(crate) fn matching(
        &self,
        database: &mut Connection,
        datasets: &[i64],
        terms: &[QuestionTerm],
    ) -> Result<Vec<u64>, StoreError> {
        let key = |term: &QuestionTerm| (datasets.to_vec(), term.text.clone());
        let mut counts: Vec<Option<u64>> =
            terms.iter().map(|term| self.matching.get(&key(term))).collect();
        let unknown: Vec<usize> =
            counts.iter().enumerate().filter(|(_, n)| n.is_none()).map(|(at, _)| at).collect();
        let queries: Vec<String> =
            unknown.iter().map(|at| term_query(datasets, &terms[*at].text)).collect();
        let rows = match queries.is_empty() {
            true => Vec::new(),
            false => database.query(
                "SELECT no, (SELECT count(*) FROM chunk_terms WHERE terms @@ wanted.query::tsquery)
                 FROM unnest($1::text[]) WITH ORDINALITY AS wanted (query, no)",
                &[&queries],
            )?,
        };
        for row in rows {
            let at = usize::try_from(column::<i64>(&row, 0)? - 1).unwrap_or(usize::MAX);
            let Some(at) = unknown.get(at) else { continue };
            let found = count(&row, 1)?;
            if found >= LARGE {
                self.matching.put(key(&terms[*at]), found);
            }
            counts[*at] = Some(found);
        }
        Ok(counts.into_iter().map(Option::unwrap_or_default).collect())
    }
}

/// Values by key, for [`FRESH`].
struct Remembered<K, V>(Mutex<FxHashMap<K, (Instant, V)>>);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Copy> Remembered<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(since, _)| since.elapsed() < FRESH).map(|(_, value)| *value)
    }

    fn put(&self, key: K, value: V) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(key, (Instant::now(), value));
    }
}
