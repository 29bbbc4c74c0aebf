//! Throwaway: nDCG@10 of full text over labelled sets.
use rag_core::*;
use rag_store::*;
use std::collections::HashMap;
use std::time::Duration;
fn lines(p: &str) -> Vec<serde_json::Value> {
    std::fs::read_to_string(p)
        .unwrap()
        .lines()
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}
fn main() {
    // zz_eval DIR none|questions|keywords
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mode = args[0].clone();
    for dir in &args[1..] {
        let corpus = lines(&format!("{dir}/corpus.jsonl"));
        let queries = lines(&format!("{dir}/queries.jsonl"));
        let mut rel: HashMap<String, HashMap<String, f64>> = HashMap::new();
        for l in std::fs::read_to_string(format!("{dir}/qrels.tsv")).unwrap().lines().skip(1) {
            let p: Vec<&str> = l.split('\t').collect();
            rel.entry(p[0].into()).or_default().insert(p[1].into(), p[2].parse().unwrap());
        }
        // The first question of each document, which is then not asked.
        let mut given: HashMap<String, String> = HashMap::new();
        let mut left = Vec::new();
        let every: usize = std::env::var("EVERY").ok().and_then(|v| v.parse().ok()).unwrap_or(1);
        let place: HashMap<String, usize> = corpus
            .iter()
            .enumerate()
            .map(|(n, d)| (d["_id"].as_str().unwrap().to_owned(), n))
            .collect();
        for q in &queries {
            let id = q["_id"].as_str().unwrap().to_owned();
            let Some(r) = rel.get(&id) else { continue };
            let doc = r.keys().min().unwrap().clone();
            if !given.contains_key(&doc) && r.len() == 1 {
                let n = place.get(&doc).copied().unwrap_or(1);
                given.insert(
                    doc,
                    if n % every == 0 {
                        q["text"].as_str().unwrap().to_owned()
                    } else {
                        String::new()
                    },
                );
                if mode != "all" {
                    continue;
                }
            }
            left.push((id, q["text"].as_str().unwrap().to_owned()));
        }
        let tmp = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(
            tmp.path(),
            StoreOptions { durability: Durability::ProcessDeath, ..Default::default() },
        )
        .unwrap();
        let emb = EmbeddingIdentity { model: "x".into(), dimensions: 2, ..Default::default() };
        let ds = store
            .ensure_dataset(&TenantId::local(), "d", &emb, &DatasetSettings::default())
            .unwrap();
        for (n, d) in corpus.iter().enumerate() {
            store
                .submit(&IngestJob::new(
                    ds.id.clone(),
                    n.to_string(),
                    DocumentSource::File { path: n.to_string().into() },
                    ContentHash([0; 32]),
                    1,
                ))
                .unwrap();
            let job = store.claim(Duration::from_secs(600), 3).unwrap().unwrap();
            let text = d["text"].as_str().unwrap().to_owned();
            let title = d["title"].as_str().unwrap_or("").to_owned();
            let mut c = Chunk {
                headings: Some(title).filter(|t| !t.is_empty()).into_iter().collect(),
                ..Chunk::new(
                    format!("{n}").parse().unwrap(),
                    ds.id.clone(),
                    job.document.clone(),
                    text,
                )
            };
            let q = given.get(d["_id"].as_str().unwrap()).cloned().filter(|q| !q.is_empty());
            match mode.as_str() {
                "questions" => c.questions = q.into_iter().collect(),
                "keywords" => {
                    c.keywords = q
                        .into_iter()
                        .flat_map(|q| {
                            q.split_whitespace()
                                .filter(|w| w.len() > 4)
                                .map(str::to_owned)
                                .collect::<Vec<_>>()
                        })
                        .collect()
                }
                _ => {}
            }
            store
                .complete(&job, vec![EmbeddedChunk { chunk: c, vector: vec![1.0, 0.0] }].into())
                .unwrap();
        }
        store.flush().unwrap();
        let (mut sum, mut r5, mut n, mut quoted) = (0.0, 0.0, 0.0, (0.0, 0.0));
        for (id, text) in &left {
            let found = store
                .search(&SearchQuery {
                    text: Some(text.clone()),
                    filter: ChunkFilter { datasets: vec![ds.id.clone()], ..Default::default() },
                    limit: 10,
                    ..Default::default()
                })
                .unwrap()
                .text;
            let r = &rel[id];
            let name = |h: &ChunkHit| {
                corpus[h.chunk.as_str().parse::<usize>().unwrap()]["_id"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            let dcg: f64 = found
                .iter()
                .enumerate()
                .map(|(k, h)| {
                    r.get(&name(h)).copied().unwrap_or(0.0).max(0.0) / (k as f64 + 2.0).log2()
                })
                .sum();
            let mut ideal: Vec<f64> = r.values().copied().filter(|g| *g > 0.0).collect();
            if ideal.is_empty() {
                continue;
            }
            ideal.sort_by(|a, b| b.total_cmp(a));
            let idcg: f64 =
                ideal.iter().take(10).enumerate().map(|(k, g)| g / (k as f64 + 2.0).log2()).sum();
            let nd = dcg / idcg;
            sum += nd;
            n += 1.0;
            if text.matches('"').count() > 1 {
                quoted.0 += nd;
                quoted.1 += 1.0;
            }
            r5 += found.iter().take(5).filter(|h| r.get(&name(h)).is_some_and(|g| *g > 0.0)).count()
                as f64
                / ideal.len() as f64;
        }
        println!(
            "{mode:10} {:40} ndcg {:.4} r5 {:.4} n {n}  quoted {:.4} of {}",
            dir.rsplit('/').next().unwrap(),
            sum / n,
            r5 / n,
            quoted.0 / quoted.1,
            quoted.1
        );
    }
}
