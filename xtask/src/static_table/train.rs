//! Teaches a table to put texts where the sentence encoder puts them.

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use llm_local::static_table::weighted_pieces;

use super::{corpus::mixed, lessons::Lesson};

/// How to teach.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// How often each lesson is taught.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Lessons that are taught together, and compared with each other.
    #[arg(long, default_value_t = 512)]
    batch: usize,
    /// The size of the first steps; it falls to zero.
    #[arg(long, default_value_t = 0.003)]
    rate: f32,
    /// The weight of being where the encoder's projected embedding is.
    #[arg(long, default_value_t = 1.0)]
    place: f32,
    /// The weight of ranking the batch's paragraphs for each sentence as the encoder does.
    #[arg(long, default_value_t = 1.0)]
    ranking: f32,
    /// The share of a sentence's own paragraph in what is to be ranked first.
    #[arg(long, default_value_t = 0.0)]
    own: f32,
    /// How sharply the encoder's ranking is read.
    #[arg(long, default_value_t = 0.05)]
    temperature: f32,
    /// How sharply the table's ranking is read.
    #[arg(long, default_value_t = 0.05)]
    student_temperature: f32,
}

/// A table in training: one row for each piece of the encoder's vocabulary.
pub struct Student {
    dims: usize,
    rows: Vec<f32>,
    /// Adam's running means of gradients and of their squares, and the steps of each row.
    first: Vec<f32>,
    second: Vec<f32>,
    steps: Vec<i32>,
    gradient: Vec<f32>,
}

/// Texts of a batch: their pieces, where the table puts them, and where they are to be.
struct Side {
    texts: Vec<Vec<(u32, f32)>>,
    /// Unit vectors, one after the other, and the lengths they had.
    places: Vec<f32>,
    lengths: Vec<f32>,
    /// The encoder's embeddings, one after the other, and the same in the table's dimensions.
    teacher: Vec<f32>,
    goals: Vec<f32>,
    gradient: Vec<f32>,
}

/// A lesson with goals in the table's dimensions.
pub struct Task<'a> {
    /// The lesson.
    pub lesson: &'a Lesson,
    /// Where the paragraph is to be: a unit vector.
    pub paragraph: Vec<f32>,
    /// Where the sentence is to be: a unit vector.
    pub sentence: Vec<f32>,
}

impl Student {
    /// Begins with these rows, brought to a mean length of 1.
    pub fn new(rows: &[Vec<f32>]) -> Self {
        let dims = rows.first().map_or(0, Vec::len);
        let mean = rows.iter().map(|row| dot(row, row).sqrt()).sum::<f32>() / rows.len() as f32;
        let rows_flat: Vec<f32> = rows.iter().flatten().map(|value| value / mean).collect();
        let zeros = vec![0.0; rows_flat.len()];
        Self {
            dims,
            first: zeros.clone(),
            second: zeros.clone(),
            gradient: zeros,
            steps: vec![0; rows.len()],
            rows: rows_flat,
        }
    }

    /// The rows as they are now.
    pub fn rows(&self) -> Vec<Vec<f32>> {
        self.rows.chunks_exact(self.dims).map(<[f32]>::to_vec).collect()
    }

    /// Where a text is: a unit vector.
    pub fn place(&self, text: &[u32]) -> Vec<f32> {
        self.place_bag(&weighted_pieces(text.to_vec())).0
    }

    /// Where a text is, and the length that the vector had.
    fn place_bag(&self, bag: &[(u32, f32)]) -> (Vec<f32>, f32) {
        let mut sum = vec![0.0; self.dims];
        for &(piece, weight) in bag {
            add_scaled(&mut sum, self.row(piece), weight);
        }
        let length = dot(&sum, &sum).sqrt().max(1e-6);
        sum.iter_mut().for_each(|value| *value /= length);
        (sum, length)
    }

    /// Teaches all tasks, `after_epoch` sees the student after each round.
    pub fn learn(
        &mut self,
        tasks: &[Task<'_>],
        settings: &Settings,
        mut after_epoch: impl FnMut(usize, f32, &Self),
    ) {
        let batches = tasks.len() / settings.batch;
        let total = (settings.epochs * batches).max(1) as f32;
        for epoch in 0..settings.epochs {
            let mut order: Vec<usize> = (0..tasks.len()).collect();
            order.sort_unstable_by_key(|&index| mixed(index as u64, epoch as u64 + 7));
            let mut loss = 0.0;
            for (step, chosen) in order.chunks_exact(settings.batch).enumerate() {
                let progress = (epoch * batches + step) as f32 / total;
                let batch: Vec<&Task<'_>> = chosen.iter().map(|&index| &tasks[index]).collect();
                loss += self.teach(&batch, settings, settings.rate * (1.0 - progress));
            }
            after_epoch(epoch, loss / batches.max(1) as f32, self);
        }
    }

    fn teach(&mut self, batch: &[&Task<'_>], settings: &Settings, rate: f32) -> f32 {
        let mut sentences = self.side(
            batch,
            |task| &task.lesson.excerpt.sentence,
            |task| (&task.lesson.sentence, &task.sentence),
        );
        let mut paragraphs = self.side(
            batch,
            |task| &task.lesson.excerpt.paragraph,
            |task| (&task.lesson.paragraph, &task.paragraph),
        );
        let mut loss = 0.0;
        for side in [&mut sentences, &mut paragraphs] {
            loss += side.pull_to_goals(settings.place);
        }
        loss += rank_alike(&mut sentences, &mut paragraphs, settings);
        for side in [&sentences, &paragraphs] {
            self.collect(side);
        }
        let texts = sentences.texts.iter().chain(&paragraphs.texts);
        let mut touched: Vec<u32> = texts.flatten().map(|(piece, _)| *piece).collect();
        touched.sort_unstable();
        touched.dedup();
        self.step(&touched, rate);
        loss
    }

    fn side<'a>(
        &self,
        batch: &[&'a Task<'a>],
        text: impl Fn(&'a Task<'a>) -> &'a [u32],
        goal: impl Fn(&'a Task<'a>) -> (&'a [f32], &'a [f32]),
    ) -> Side {
        let texts: Vec<Vec<(u32, f32)>> =
            batch.iter().map(|task| weighted_pieces(text(task).to_vec())).collect();
        let placed: Vec<(Vec<f32>, f32)> =
            texts.par_iter().map(|text| self.place_bag(text)).collect();
        Side {
            places: placed.iter().flat_map(|(place, _)| place).copied().collect(),
            lengths: placed.iter().map(|(_, length)| *length).collect(),
            teacher: batch.iter().flat_map(|task| goal(task).0).copied().collect(),
            goals: batch.iter().flat_map(|task| goal(task).1).copied().collect(),
            gradient: vec![0.0; texts.len() * self.dims],
            texts,
        }
    }

    /// Adds the gradient of a side's places to that of the rows they came from.
    fn collect(&mut self, side: &Side) {
        let dims = self.dims;
        let each = side.texts.iter().zip(&side.lengths).enumerate();
        for (index, (text, length)) in each {
            let place = &side.places[index * dims..(index + 1) * dims];
            let gradient = &side.gradient[index * dims..(index + 1) * dims];
            let along = dot(place, gradient);
            let of_sum: Vec<f32> = gradient
                .iter()
                .zip(place)
                .map(|(gradient, place)| (gradient - along * place) / length)
                .collect();
            for &(piece, weight) in text {
                let start = piece as usize * dims;
                add_scaled(&mut self.gradient[start..start + dims], &of_sum, weight);
            }
        }
    }

    /// One step of Adam for the rows that the batch touched.
    fn step(&mut self, touched: &[u32], rate: f32) {
        const FIRST: f32 = 0.9;
        const SECOND: f32 = 0.999;
        for &piece in touched {
            let index = piece as usize;
            self.steps[index] += 1;
            let range = index * self.dims..(index + 1) * self.dims;
            let bias = (1.0 - SECOND.powi(self.steps[index])).sqrt()
                / (1.0 - FIRST.powi(self.steps[index]));
            let values = self.rows[range.clone()].iter_mut().zip(&mut self.gradient[range.clone()]);
            let moments = self.first[range.clone()].iter_mut().zip(&mut self.second[range]);
            for ((row, gradient), (first, second)) in values.zip(moments) {
                *first += (1.0 - FIRST) * (*gradient - *first);
                *second += (1.0 - SECOND) * (*gradient * *gradient - *second);
                *row -= rate * bias * *first / (second.sqrt() + 1e-8);
                *gradient = 0.0;
            }
        }
    }

    fn row(&self, piece: u32) -> &[f32] {
        &self.rows[piece as usize * self.dims..(piece as usize + 1) * self.dims]
    }
}

impl Side {
    /// Adds the gradient of the mean distance to the goals; gives that distance (1 - cosine).
    fn pull_to_goals(&mut self, weight: f32) -> f32 {
        let share = weight / self.texts.len() as f32;
        add_scaled(&mut self.gradient, &self.goals, -share);
        weight - share * dot(&self.places, &self.goals)
    }
}

/// Adds the gradient of the divergence between the encoder's and the table's distribution over the
/// paragraphs, for every sentence; gives the cross entropy.
fn rank_alike(sentences: &mut Side, paragraphs: &mut Side, settings: &Settings) -> f32 {
    let count = sentences.texts.len();
    let mut wanted = products(&paragraphs.teacher, &sentences.teacher, count);
    let mut found = products(&paragraphs.places, &sentences.places, count);
    let share = settings.ranking / count as f32;
    let loss: f32 = wanted
        .par_chunks_exact_mut(count)
        .zip(found.par_chunks_exact_mut(count))
        .enumerate()
        .map(|(index, (wanted, found))| {
            softmax(wanted, settings.temperature);
            wanted.iter_mut().for_each(|share| *share *= 1.0 - settings.own);
            wanted[index] += settings.own;
            softmax(found, settings.student_temperature);
            let loss: f32 = wanted
                .iter()
                .zip(&*found)
                .map(|(wanted, found)| -wanted * (found + 1e-9).ln())
                .sum();
            for (found, wanted) in found.iter_mut().zip(wanted) {
                *found = share * (*found - *wanted) / settings.student_temperature;
            }
            loss
        })
        .sum();

    // `found` now holds the gradient of the products: paragraphs down, sentences across.
    let dims = sentences.places.len() / count;
    let view = |values| MatRef::from_column_major_slice(values, dims, count);
    let gradient = MatRef::from_column_major_slice(&found, count, count);
    matmul(
        MatMut::from_column_major_slice_mut(&mut sentences.gradient, dims, count),
        Accum::Add,
        view(&paragraphs.places),
        gradient,
        1.0,
        Par::rayon(0),
    );
    matmul(
        MatMut::from_column_major_slice_mut(&mut paragraphs.gradient, dims, count),
        Accum::Add,
        view(&sentences.places),
        gradient.transpose(),
        1.0,
        Par::rayon(0),
    );
    share * loss
}

/// The products of all paragraphs (down) with all sentences (across).
fn products(paragraphs: &[f32], sentences: &[f32], count: usize) -> Vec<f32> {
    let dims = paragraphs.len() / count;
    let mut products = vec![0.0; count * count];
    matmul(
        MatMut::from_column_major_slice_mut(&mut products, count, count),
        Accum::Replace,
        MatRef::from_column_major_slice(paragraphs, dims, count).transpose(),
        MatRef::from_column_major_slice(sentences, dims, count),
        1.0,
        Par::rayon(0),
    );
    products
}

fn softmax(scores: &mut [f32], temperature: f32) {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    scores.iter_mut().for_each(|score| *score = ((*score - largest) / temperature).exp());
    let total: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= total);
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn add_scaled(total: &mut [f32], values: &[f32], factor: f32) {
    for (total, value) in total.iter_mut().zip(values) {
        *total += factor * value;
    }
}
