//! Vector search over one snapshot: exact over few chunks; over many, candidates by their signs, then exact scores.

use rustc_hash::FxHashSet;

use crate::chunk_file::Block;
use crate::key::ChunkKey;
use crate::snapshot::{Snapshot, TailDocument};
use crate::top::Top;
use crate::vectors::{QueryVector, VectorRows};

/// Up to so many chunks every one is scored; it takes about as long as finding candidates first.
const EXACT_ROWS: usize = 4096;
/// Candidates that are scored for each hit asked for, and at least.
const CANDIDATES_PER_HIT: usize = 16;
const LEAST_CANDIDATES: usize = 1024;
/// At least one of so many chunks is a candidate: among more, more differ in few signs.
const ROWS_PER_CANDIDATE: usize = 300;
/// Rows whose distances are computed before they are looked at.
const STRIDE: usize = 512;

/// The chunks nearest to the query, nearest first, that are of one of the `allowed` versions (`None`: of any). All
/// datasets have vectors of the query's length.
pub(crate) fn search(
    snapshot: &Snapshot,
    query: &QueryVector,
    allowed: Option<&FxHashSet<u64>>,
    limit: usize,
) -> Vec<(f32, ChunkKey)> {
    let pieces = Piece::all(snapshot, allowed);
    let rows: usize = pieces.iter().map(|piece| piece.rows.len()).sum();
    let mut top = Top::new(limit);
    if limit == 0 {
        return Vec::new();
    }
    if rows <= EXACT_ROWS {
        for piece in &pieces {
            for row in 0..piece.rows.len() {
                offer(snapshot, query, piece, row, &mut top);
            }
        }
    } else {
        let depth = limit
            .saturating_mul(CANDIDATES_PER_HIT)
            .max(LEAST_CANDIDATES)
            .max(rows / ROWS_PER_CANDIDATE);
        for (piece, row) in candidates(snapshot, &pieces, query, depth) {
            if let Some(piece) = pieces.get(piece) {
                offer(snapshot, query, piece, row, &mut top);
            }
        }
    }
    top.into_sorted()
}

/// The nearest of these chunks, which may all be found.
pub(crate) fn search_among(
    snapshot: &Snapshot,
    query: &QueryVector,
    chunks: &[ChunkKey],
    limit: usize,
) -> Vec<(f32, ChunkKey)> {
    let mut top = Top::new(limit);
    if limit > 0 {
        for key in chunks {
            cosine(snapshot, query, *key).into_iter().for_each(|cosine| top.push(cosine, *key));
        }
    }
    top.into_sorted()
}

/// The cosine of one chunk, if it can be found.
pub(crate) fn cosine(snapshot: &Snapshot, query: &QueryVector, key: ChunkKey) -> Option<f32> {
    let vectors = snapshot.document(key)?.vectors;
    (key.position() < vectors.len()).then(|| vectors.cosine(query, key.position()))
}

/// Rows that lie together and may all be looked at, but for dead ones.
struct Piece<'a> {
    owner: Owner<'a>,
    rows: VectorRows<'a>,
}

enum Owner<'a> {
    Block(Block<'a>),
    Document(u64),
}

impl<'a> Piece<'a> {
    fn all(snapshot: &'a Snapshot, allowed: Option<&FxHashSet<u64>>) -> Vec<Self> {
        let mut pieces = Vec::new();
        for dataset in &snapshot.datasets {
            for block in snapshot.files.iter().filter_map(|file| file.block(dataset.no)) {
                match allowed {
                    None => pieces.push(Self { owner: Owner::Block(block), rows: block.vectors }),
                    Some(allowed) => pieces.extend(allowed_documents(block, allowed)),
                }
            }
            let allowed = |document: &&TailDocument| {
                allowed.is_none_or(|allowed| allowed.contains(&document.version))
            };
            pieces.extend(dataset.tail.iter().filter(allowed).map(|document| Self {
                owner: Owner::Document(document.version),
                rows: document.rows().vectors,
            }));
        }
        pieces
    }

    /// The chunk of a row, unless it is dead.
    fn key(&self, snapshot: &Snapshot, row: usize) -> Option<ChunkKey> {
        let (version, position) = match &self.owner {
            Owner::Block(block) => block.owner(row)?,
            Owner::Document(version) => (*version, row),
        };
        (!snapshot.is_dead(version)).then(|| ChunkKey::new(version, position))
    }
}

fn allowed_documents<'a>(
    block: Block<'a>,
    allowed: &FxHashSet<u64>,
) -> impl Iterator<Item = Piece<'a>> {
    allowed
        .iter()
        .filter_map(move |version| block.find(*version))
        .map(|document| Piece { owner: Owner::Document(document.version), rows: document.vectors })
}

fn offer(
    snapshot: &Snapshot,
    query: &QueryVector,
    piece: &Piece<'_>,
    row: usize,
    top: &mut Top<ChunkKey>,
) {
    let score = piece.rows.cosine(query, row);
    if score >= top.threshold()
        && let Some(key) = piece.key(snapshot, row)
    {
        top.push(score, key);
    }
}

/// The rows whose signs differ least from the query's, as piece and row.
fn candidates(
    snapshot: &Snapshot,
    pieces: &[Piece<'_>],
    query: &QueryVector,
    depth: usize,
) -> Vec<(usize, usize)> {
    let all_alive = snapshot.dead.is_empty();
    let mut nearest: Top<(usize, usize)> = Top::new(depth);
    let mut distances = [0_u32; STRIDE];
    for (at, piece) in pieces.iter().enumerate() {
        for first in (0..piece.rows.len()).step_by(STRIDE) {
            let count = STRIDE.min(piece.rows.len() - first);
            let distances = &mut distances[..count];
            piece.rows.distances(query, first, distances);
            let mut threshold = nearest.threshold();
            for (row, distance) in (first..).zip(distances) {
                let score = -(*distance as f32);
                if score > threshold && (all_alive || piece.key(snapshot, row).is_some()) {
                    nearest.push(score, (at, row));
                    threshold = nearest.threshold();
                }
            }
        }
    }
    nearest.into_sorted().into_iter().map(|(_, place)| place).collect()
}
