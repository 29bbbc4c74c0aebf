//! One model in one line: columns between tabs.

use llm_core::{Capabilities, LongPrices, ModelInfo, ModelKind, ModelName, Prices};

/// The columns, in order. Counts are of tokens (`dimensions`: of numbers in a vector), prices in US dollars for a million
/// tokens (`search_unit`: for a thousand), and the last four hold for prompts of more tokens than `above`.
pub const COLUMNS: [&str; 20] = [
    "provider",
    "model",
    "kind",
    "context",
    "output",
    "dimensions",
    "capabilities",
    "input",
    "output_price",
    "cache_read",
    "cache_write",
    "reasoning",
    "audio_input",
    "audio_output",
    "search_unit",
    "above",
    "long_input",
    "long_output",
    "long_cache_read",
    "long_cache_write",
];

const KINDS: [ModelKind; 6] = [
    ModelKind::Chat,
    ModelKind::Embedding,
    ModelKind::Rerank,
    ModelKind::Speech,
    ModelKind::Transcription,
    ModelKind::Vision,
];

const TOKENS: f64 = 1e6;
const UNITS: f64 = 1e3;

/// The letters of capabilities; `!` before one says that the model has it not.
fn capabilities(of: &mut Capabilities) -> [(char, &mut Option<bool>); 10] {
    [
        ('t', &mut of.tools),
        ('p', &mut of.parallel_tools),
        ('v', &mut of.image_input),
        ('f', &mut of.file_input),
        ('a', &mut of.audio_input),
        ('A', &mut of.audio_output),
        ('j', &mut of.json_schema),
        ('r', &mut of.reasoning),
        ('c', &mut of.prompt_caching),
        ('x', &mut of.prefix),
    ]
}

/// Reads a line.
pub(super) fn parse_line(line: &str) -> Result<ModelInfo, String> {
    let mut columns = COLUMNS.into_iter().zip(line.split('\t').chain(std::iter::repeat("")));
    if line.split('\t').count() > COLUMNS.len() {
        return Err(format!("there are more than {} columns", COLUMNS.len()));
    }
    let mut next = || columns.next().unwrap_or_default();
    let required = |(column, text): (&str, &str)| match text.trim() {
        "" => Err(format!("the column `{column}` is missing")),
        text => Ok(text.to_owned()),
    };
    let name = ModelName::new(required(next())?, required(next())?);
    let kind = required(next())?;
    let kind = KINDS
        .into_iter()
        .find(|known| known.as_str() == kind)
        .ok_or_else(|| format!("`kind`: `{kind}` is no kind of model"))?;
    let mut info = ModelInfo::new(name, kind);
    info.limits.context_tokens = count(next())?;
    info.limits.output_tokens = count(next())?;
    info.limits.dimensions = count(next())?;
    parse_capabilities(next(), &mut info.capabilities)?;
    let mut prices = Prices {
        input: price(next(), TOKENS)?,
        output: price(next(), TOKENS)?,
        cache_read: price(next(), TOKENS)?,
        cache_write: price(next(), TOKENS)?,
        reasoning: price(next(), TOKENS)?,
        audio_input: price(next(), TOKENS)?,
        audio_output: price(next(), TOKENS)?,
        search_unit: price(next(), UNITS)?,
        long: None,
    };
    if let Some(above) = count(next())? {
        prices.long = Some(LongPrices {
            above_tokens: above.into(),
            input: price(next(), TOKENS)?,
            output: price(next(), TOKENS)?,
            cache_read: price(next(), TOKENS)?,
            cache_write: price(next(), TOKENS)?,
        });
    }
    info.prices = (prices != Prices::default()).then_some(prices);
    Ok(info)
}

fn count((column, text): (&str, &str)) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("`{column}`: `{text}` is no count"))
}

fn price((column, text): (&str, &str), per: f64) -> Result<Option<f64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let price = text.parse::<f64>().ok().filter(|price| price.is_finite() && *price >= 0.0);
    price.map(|price| Some(price / per)).ok_or_else(|| format!("`{column}`: `{text}` is no price"))
}

fn parse_capabilities((column, text): (&str, &str), of: &mut Capabilities) -> Result<(), String> {
    let mut has = true;
    for letter in text.chars() {
        if letter == '!' {
            has = false;
            continue;
        }
        let mut known = capabilities(of).into_iter();
        let (_, capability) = known
            .find(|(known, _)| *known == letter)
            .ok_or_else(|| format!("`{column}`: `{letter}` stands for none"))?;
        *capability = Some(has);
        has = true;
    }
    Ok(())
}

/// Writes the line of a model; what the columns have no place for is left out.
///
/// ```
/// use llm_core::{ModelInfo, ModelKind, ModelName};
/// use llm_providers::models::format_line;
///
/// let mut info = ModelInfo::new(ModelName::new("acme", "parrot-1"), ModelKind::Chat);
/// info.limits.context_tokens = Some(8_192);
/// info.capabilities.tools = Some(true);
/// assert_eq!(format_line(&info), "acme\tparrot-1\tchat\t8192\t\t\tt");
/// ```
pub fn format_line(info: &ModelInfo) -> String {
    let count = |count: Option<u64>| count.map_or(String::new(), |count| count.to_string());
    // To a millionth of a cent, so that what binary fractions add does not show.
    let price = |price: Option<f64>, per: f64| {
        price.map_or(String::new(), |price| ((price * per * 1e8).round() / 1e8).to_string())
    };
    let prices = info.prices.clone().unwrap_or_default();
    let long = prices.long.clone().unwrap_or_default();
    let mut known = info.capabilities.clone();
    let letters = capabilities(&mut known).into_iter().filter_map(|(letter, capability)| {
        capability.map(|has| if has { letter.to_string() } else { format!("!{letter}") })
    });
    let columns: [String; COLUMNS.len()] = [
        info.name.provider.clone(),
        info.name.model.clone(),
        info.kind.as_str().to_owned(),
        count(info.limits.context_tokens.map(u64::from)),
        count(info.limits.output_tokens.map(u64::from)),
        count(info.limits.dimensions.map(u64::from)),
        letters.collect(),
        price(prices.input, TOKENS),
        price(prices.output, TOKENS),
        price(prices.cache_read, TOKENS),
        price(prices.cache_write, TOKENS),
        price(prices.reasoning, TOKENS),
        price(prices.audio_input, TOKENS),
        price(prices.audio_output, TOKENS),
        price(prices.search_unit, UNITS),
        count(prices.long.as_ref().map(|long| long.above_tokens)),
        price(long.input, TOKENS),
        price(long.output, TOKENS),
        price(long.cache_read, TOKENS),
        price(long.cache_write, TOKENS),
    ];
    columns.join("\t").trim_end_matches('\t').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_the_same() {
        for line in [
            "p\tm\tchat",
            "p\torg/m:free\tchat\t200000\t64000\t\ttpv!jrcx\t3\t15\t0.3\t3.75",
            "p\te\tembedding\t8191\t\t1536\t\t0.02\t0",
            "p\tr\trerank\t4096\t\t\t\t\t\t\t\t\t\t\t2",
            "p\tl\tchat\t1048576\t65536\t\ta!A\t1.25\t10\t0.125\t\t\t1\t\t\t200000\t2.5\t15\t0.25",
        ] {
            let info = parse_line(line).unwrap();
            assert_eq!(format_line(&info), line);
            assert_eq!(parse_line(&format_line(&info)).unwrap(), info);
        }
        assert!(parse_line(&format!("p\tm\tchat{}", "\t".repeat(18))).unwrap_err().contains("20"));
        let info = parse_line("p\tm\tchat\t\t\t\t!tv\t3").unwrap();
        assert_eq!(
            (info.capabilities.tools, info.capabilities.image_input),
            (Some(false), Some(true))
        );
        assert_eq!(info.prices.unwrap().input, Some(3e-6));
    }
}
