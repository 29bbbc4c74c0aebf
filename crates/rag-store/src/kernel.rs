//! The two inner loops of vector search. Plain code that the compiler vectorises, compiled once for each level of
//! processor and chosen when it runs.

/// Numbers that share one accumulator row in [`dot`]; wide enough for two AVX-512 registers.
const LANES: usize = 32;

macro_rules! multiversioned {
    ($(#[$doc:meta])* $name:ident, $plain:ident, ($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        $(#[$doc])*
        pub(crate) fn $name($($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,popcnt,fma")]
                fn with_avx512($($argument: $type),*) $(-> $result)? {
                    $plain($($argument),*)
                }
                #[target_feature(enable = "avx2,popcnt,fma")]
                fn with_avx2($($argument: $type),*) $(-> $result)? {
                    $plain($($argument),*)
                }
                if has_avx512() {
                    // SAFETY: the processor has every feature that the function was compiled for.
                    return unsafe { with_avx512($($argument),*) };
                }
                if has_avx2() {
                    // SAFETY: as above.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            $plain($($argument),*)
        }
    };
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("fma")
}

multiversioned! {
    /// How many bits differ between `query` and each of the codes, which lie one after another and are as long as the
    /// query: one distance for each element of `distances`.
    distances, plain_distances, (query: &[u64], codes: &[u64], distances: &mut [u32])
}

multiversioned! {
    /// The dot product of two equally long rows.
    dot, plain_dot, (query: &[f32], row: &[i8]) -> f32
}

#[inline(always)]
fn plain_distances(query: &[u64], codes: &[u64], distances: &mut [u32]) {
    match query.len() {
        2 => fixed_distances::<2>(query, codes, distances),
        4 => fixed_distances::<4>(query, codes, distances),
        6 => fixed_distances::<6>(query, codes, distances),
        words => {
            for (code, distance) in codes.chunks_exact(words.max(1)).zip(distances) {
                *distance = differing_bits_of_long(query, code);
            }
        }
    }
}

/// With a small width known, the compiler handles several rows at once.
#[inline(always)]
fn fixed_distances<const WORDS: usize>(query: &[u64], codes: &[u64], distances: &mut [u32]) {
    let Some(query) = query.first_chunk::<WORDS>() else { return };
    let (codes, _) = codes.as_chunks::<WORDS>();
    for (code, distance) in codes.iter().zip(distances) {
        *distance = differing_bits(query, code);
    }
}

#[inline(always)]
fn differing_bits(left: &[u64], right: &[u64]) -> u32 {
    left.iter().zip(right).map(|(left, right)| (left ^ right).count_ones()).sum()
}

/// Long codes fill registers by themselves.
#[inline(always)]
fn differing_bits_of_long(left: &[u64], right: &[u64]) -> u32 {
    const WORDS: usize = 8;
    let (left_blocks, left_rest) = left.as_chunks::<WORDS>();
    let (right_blocks, right_rest) = right.as_chunks::<WORDS>();
    let mut sums = [0_u64; WORDS];
    for (left, right) in left_blocks.iter().zip(right_blocks) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += u64::from((left ^ right).count_ones());
        }
    }
    sums.iter().sum::<u64>() as u32 + differing_bits(left_rest, right_rest)
}

#[inline(always)]
fn plain_dot(query: &[f32], row: &[i8]) -> f32 {
    let (query_lanes, query_rest) = query.as_chunks::<LANES>();
    let (row_lanes, row_rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (query, row) in query_lanes.iter().zip(row_lanes) {
        for ((sum, query), row) in sums.iter_mut().zip(query).zip(row) {
            *sum += query * f32::from(*row);
        }
    }
    let rest: f32 = query_rest.iter().zip(row_rest).map(|(q, r)| q * f32::from(*r)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_level_counts_the_same(
            words in 1_usize..26,
            numbers in prop::collection::vec(any::<u64>(), 26 * 5),
        ) {
            let (query, codes) = numbers.split_at(words);
            let rows = 4;
            let mut found = vec![0; rows];
            distances(query, &codes[..rows * words], &mut found);
            let plain: Vec<u32> =
                codes.chunks_exact(words).take(rows).map(|c| differing_bits(query, c)).collect();
            prop_assert_eq!(found, plain);
        }

        #[test]
        fn dot_is_exact_for_small_integers(
            pairs in prop::collection::vec((-8_i8..8, any::<i8>()), 0..300),
        ) {
            let query: Vec<f32> = pairs.iter().map(|(q, _)| f32::from(*q)).collect();
            let row: Vec<i8> = pairs.iter().map(|(_, r)| *r).collect();
            let expected: i32 = pairs.iter().map(|(q, r)| i32::from(*q) * i32::from(*r)).sum();
            prop_assert_eq!(dot(&query, &row), expected as f32);
        }
    }
}
