//! Teaches a table to put texts where the sentence encoder puts them.

use faer::{Mat, linalg::solvers::Solve};
use llm_local::static_table::weighted_pieces;
use rayon::prelude::*;

use super::corpus::mixed;

/// How to teach.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// How often each text is taught.
    #[arg(long, default_value_t = 12)]
    epochs: usize,
    /// Texts that are taught together.
    #[arg(long, default_value_t = 1024)]
    batch: usize,
    /// The size of the first steps; it falls to zero.
    #[arg(long, default_value_t = 0.01)]
    rate: f32,
}

/// A text as weighted pieces, and the unit vector where it is to be.
pub struct Example {
    pieces: Vec<(u32, f32)>,
    goal: Vec<f32>,
}

impl Example {
    /// An example; the goal is brought to length 1.
    pub fn new(pieces: &[u32], mut goal: Vec<f32>) -> Self {
        let length = dot(&goal, &goal).sqrt().max(f32::MIN_POSITIVE);
        goal.iter_mut().for_each(|value| *value /= length);
        Self { pieces: weighted_pieces(pieces.to_vec()), goal }
    }
}

/// A table in training.
pub struct Student {
    dims: usize,
    rows: Vec<f32>,
    /// The rows that training began with.
    initial: Vec<f32>,
    /// Adam's running means of gradients and of their squares.
    first: Vec<f32>,
    second: Vec<f32>,
    /// How many steps each row took.
    steps: Vec<i32>,
}

/// Rows with fewer steps than this are known too little to be trusted alone.
const TRUSTED_STEPS: i32 = 50;

impl Student {
    /// Begins with these rows, brought to a mean length of 1.
    pub fn new(rows: &[Vec<f32>]) -> Self {
        let dims = rows.first().map_or(0, Vec::len);
        let mean = rows.iter().map(|row| dot(row, row).sqrt()).sum::<f32>() / rows.len() as f32;
        let rows_flat: Vec<f32> = rows.iter().flatten().map(|value| value / mean).collect();
        Self {
            dims,
            initial: rows_flat.clone(),
            first: vec![0.0; rows_flat.len()],
            second: vec![0.0; rows_flat.len()],
            steps: vec![0; rows.len()],
            rows: rows_flat,
        }
    }

    /// The rows as they are now.
    pub fn rows(&self) -> Vec<Vec<f32>> {
        self.rows.chunks_exact(self.dims).map(<[f32]>::to_vec).collect()
    }

    /// Teaches all examples; `after_epoch` is told the mean distance (1 - cosine) to the goals.
    pub fn learn(
        &mut self,
        examples: &[Example],
        settings: &Settings,
        mut after_epoch: impl FnMut(usize, f32),
    ) {
        let total = (settings.epochs * (examples.len() / settings.batch)).max(1) as f32;
        let mut step = 0;
        for epoch in 0..settings.epochs {
            let mut order: Vec<usize> = (0..examples.len()).collect();
            order.sort_unstable_by_key(|&index| mixed(index as u64, epoch as u64));
            let mut distance = 0.0;
            for chosen in order.chunks_exact(settings.batch) {
                let batch: Vec<&Example> = chosen.iter().map(|&index| &examples[index]).collect();
                distance += self.teach(&batch, settings.rate * (1.0 - step as f32 / total));
                step += 1;
            }
            after_epoch(epoch, distance / (examples.len() / settings.batch).max(1) as f32);
        }
    }

    /// One step towards the goals of a batch; gives the mean distance before it.
    fn teach(&mut self, batch: &[&Example], rate: f32) -> f32 {
        let lessons: Vec<(f32, Vec<f32>)> =
            batch.par_iter().map(|example| self.lesson(example)).collect();
        let mut touched: Vec<u32> =
            batch.iter().flat_map(|example| &example.pieces).map(|(piece, _)| *piece).collect();
        touched.sort_unstable();
        touched.dedup();

        let mut gradients = vec![0.0; touched.len() * self.dims];
        for (example, (_, gradient)) in batch.iter().zip(&lessons) {
            for (piece, weight) in &example.pieces {
                if let Ok(place) = touched.binary_search(piece) {
                    let row = &mut gradients[place * self.dims..(place + 1) * self.dims];
                    add_scaled(row, gradient, weight / batch.len() as f32);
                }
            }
        }
        for (piece, gradient) in touched.iter().zip(gradients.chunks_exact(self.dims)) {
            self.step(*piece as usize, gradient, rate);
        }
        lessons.iter().map(|(distance, _)| distance).sum::<f32>() / batch.len() as f32
    }

    /// The distance of an example from its goal, and the gradient for the sum of its rows.
    fn lesson(&self, example: &Example) -> (f32, Vec<f32>) {
        let mut sum = vec![0.0; self.dims];
        for &(piece, weight) in &example.pieces {
            let start = piece as usize * self.dims;
            add_scaled(&mut sum, &self.rows[start..start + self.dims], weight);
        }
        let length = dot(&sum, &sum).sqrt().max(1e-6);
        sum.iter_mut().for_each(|value| *value /= length);
        let cosine = dot(&sum, &example.goal);
        let gradient = sum
            .iter()
            .zip(&example.goal)
            .map(|(place, goal)| (cosine * place - goal) / length)
            .collect();
        (1.0 - cosine, gradient)
    }

    /// One step of Adam for one row.
    fn step(&mut self, index: usize, gradient: &[f32], rate: f32) {
        const FIRST: f32 = 0.9;
        const SECOND: f32 = 0.999;
        self.steps[index] += 1;
        let steps = self.steps[index];
        let rate = rate * (1.0 - SECOND.powi(steps)).sqrt() / (1.0 - FIRST.powi(steps));
        let range = index * self.dims..(index + 1) * self.dims;
        let moments = self.first[range.clone()].iter_mut().zip(&mut self.second[range.clone()]);
        let values = self.rows[range].iter_mut().zip(gradient);
        for ((row, gradient), (first, second)) in values.zip(moments) {
            *first += (1.0 - FIRST) * (gradient - *first);
            *second += (1.0 - SECOND) * (gradient * gradient - *second);
            *row -= rate * *first / (second.sqrt() + 1e-8);
        }
    }

    /// Moves the rows that training hardly reached to where it moved others: by the linear map that
    /// takes the initial rows of well-known pieces nearest to their trained ones.
    pub fn carry_over(&mut self) {
        let known: Vec<usize> =
            (0..self.steps.len()).filter(|&index| self.steps[index] >= TRUSTED_STEPS).collect();
        let gathered = |values: &[f32]| {
            Mat::from_fn(known.len(), self.dims, |row, column| {
                values[known[row] * self.dims + column]
            })
        };
        let (from, to) = (gathered(&self.initial), gathered(&self.rows));
        let mut normal = from.transpose() * &from;
        let ridge = 1e-3 * (0..self.dims).map(|index| normal[(index, index)]).sum::<f32>()
            / self.dims as f32;
        for index in 0..self.dims {
            normal[(index, index)] += ridge;
        }
        let map = normal.partial_piv_lu().solve(from.transpose() * &to);
        for index in 0..self.steps.len() {
            let trust = (self.steps[index] as f32 / TRUSTED_STEPS as f32).min(1.0);
            let range = index * self.dims..(index + 1) * self.dims;
            let initial = &self.initial[range.clone()];
            for (column, value) in self.rows[range].iter_mut().enumerate() {
                let carried: f32 =
                    initial.iter().enumerate().map(|(row, value)| value * map[(row, column)]).sum();
                *value = trust * *value + (1.0 - trust) * carried;
            }
        }
    }
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn add_scaled(total: &mut [f32], values: &[f32], factor: f32) {
    for (total, value) in total.iter_mut().zip(values) {
        *total += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_move_to_their_goals_and_unseen_pieces_follow() {
        // Training turns the plane by a right angle; piece 3 is never taught.
        let rows = [vec![1.0, 0.0], vec![0.0, 1.0], vec![0.7, 0.7], vec![0.9, 0.1]];
        let goals = [vec![0.0, 1.0], vec![-1.0, 0.0], vec![-0.7, 0.7]];
        let examples: Vec<Example> = (0..300)
            .map(|index| Example::new(&[index % 3], goals[index as usize % 3].clone()))
            .collect();
        let mut student = Student::new(&rows);
        let mut last = f32::MAX;
        let settings = Settings { epochs: 40, batch: 30, rate: 0.05 };
        student.learn(&examples, &settings, |_, distance| last = distance);
        assert!(last < 0.01, "{last}");
        student.carry_over();
        let carried = &student.rows()[3];
        assert!(carried[1] > 0.5 && carried[0].abs() < 0.4, "{carried:?}");
    }
}
