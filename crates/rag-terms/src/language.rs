//! Which language a text is in, as far as searching needs to know: to stem its words, and to tell the words that only
//! make a question of a question.
//!
//! Languages of the Latin script are told apart by their commonest words; a paragraph has dozens of these, a question
//! a few. Other scripts say enough by themselves.

use std::sync::LazyLock;

use frostem::Algorithm;
use rustc_hash::FxHashMap;

/// A language of the Latin script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Language(usize);

struct Profile {
    stemmer: Algorithm,
    /// Its commonest words, in lower case.
    common: &'static str,
    /// Words that ask. A passage that answers does not have them, so searching for them finds the wrong ones; with
    /// them the forms of "to be" and "to do" that questions begin with.
    asking: &'static str,
}

/// English first: it is taken when nothing tells otherwise.
const PROFILES: &[Profile] = &[
    Profile {
        stemmer: Algorithm::English,
        common: "the of and to a in that for on with by from at this it as be has have had not or is was \
                 are were which their its his",
        asking: "what which who whom whose how why when where do does did is are was were many much",
    },
    Profile {
        stemmer: Algorithm::German,
        common: "der die das und den dem des ein eine einer eines einem einen in im zu zum zur mit von \
                 vom auf für nicht sich auch als bei nach aus durch wurde werden oder über um an es sie \
                 er dass ist war",
        asking: "was wer wen wem wessen wie wo wann warum wieso weshalb welche welcher welches welchen welchem wohin \
                 woher womit wodurch worin wofür wozu viele viel ist sind war waren hat haben",
    },
    Profile {
        stemmer: Algorithm::French,
        common: "le la les de des du un une et en au aux est que qui dans pour par sur avec pas ce cette \
                 ces il elle a sont ont été plus d l n s",
        asking: "quel quelle quels quelles qui que quoi comment pourquoi quand où combien est sont était étaient",
    },
    Profile {
        stemmer: Algorithm::Spanish,
        common: "el la los las de del un una y e que en por para con se su sus al lo a es no más como \
                 fue son entre o",
        asking: "qué quién quiénes cuál cuáles cómo dónde cuándo cuánto cuánta cuántos cuántas es son fue fueron era \
                 eran ha han",
    },
    Profile {
        stemmer: Algorithm::Italian,
        common: "il lo la i gli le di del della delle dei degli in nel nella che e è per con un una sono \
                 non si da dal a al alla più anche come l",
        asking: "cosa chi quale quali come perché quando dove quanto quanta quanti quante è sono era erano",
    },
    Profile {
        stemmer: Algorithm::Portuguese,
        common: "o a os as de do da dos das em no na nos nas um uma e que por para com não se mais foi \
                 ao à pelo pela é são como",
        asking: "que qual quais quem como onde quando quanto quanta quantos quantas porquê é são foi foram era eram",
    },
    Profile {
        stemmer: Algorithm::Dutch,
        common: "de het een en van in op te dat die voor met niet zijn aan er om ook als bij uit door \
                 naar werd wordt is was",
        asking: "wat wie welke welk hoe waarom wanneer waar hoeveel is zijn was waren heeft hebben",
    },
    Profile {
        stemmer: Algorithm::Swedish,
        common: "och att det som en ett i är på av för med den till inte har de om från var vid",
        asking: "vad vem vilka vilken vilket hur varför när var många mycket är var har",
    },
    Profile {
        stemmer: Algorithm::Danish,
        common: "og at det som en et i er på af for med den til ikke har de om fra var ved blev",
        asking: "hvad hvem hvilke hvilken hvilket hvordan hvorfor hvornår hvor mange meget er var har",
    },
    Profile {
        stemmer: Algorithm::Norwegian,
        common: "og å det som en et i er på av for med den til ikke har de om fra var ved ble",
        asking: "hva hvem hvilke hvilken hvilket hvordan hvorfor når hvor mange mye er var har",
    },
    Profile {
        stemmer: Algorithm::Finnish,
        common: "ja on ei että se hän oli ovat mutta myös kun joka tai sen sekä olla kuin jotka",
        asking: "mikä mitä kuka ketkä miten miksi milloin missä mistä mihin montako kuinka on oli ovat",
    },
    Profile {
        stemmer: Algorithm::Hungarian,
        common: "a az és hogy nem is egy meg volt ez de csak mint vagy már el amely azt ki",
        asking: "mi mit ki kit hogyan miért mikor hol hová honnan hány mennyi melyik milyen",
    },
    Profile {
        stemmer: Algorithm::Romanian,
        common: "și de la în cu nu pe din că este pentru care un o sau mai a fost sunt al ale prin se le",
        asking: "ce cine care cum unde când cât câte câți câtă este sunt era erau",
    },
    Profile {
        stemmer: Algorithm::Turkish,
        common: "ve bir bu için ile da de olarak çok daha gibi olan kadar sonra en ise veya",
        asking: "ne kim kimin hangi nasıl neden niçin nerede nereden zaman kaç mi mı mu mü",
    },
];

/// As `asking`, for scripts that say the language by themselves.
const ASKING_ELSEWHERE: &str = "\
    что кто кого кому кем чем какой какая какое какие каких каким какую где когда почему зачем как сколько куда откуда \
    чей чья чье чьи который которая которые является являются был была было были \
    τι ποιος ποια ποιο ποιοι ποιες ποιον ποιων πώς πως πού που πότε γιατί πόσο πόσα πόσοι πόσες είναι ήταν \
    ما من متى أين كيف لماذا كم هل ماذا هو هي أي مَن \
    क्या कौन कब कहाँ कहां कैसे क्यों कितने कितना कितनी किस किसने किसे कौनसा कौनसी \
    מה מי איך למה מתי איפה כמה איזה איזו האם";

/// As `asking`, for scripts without spaces between words. Longer ones first.
const ASKING_UNSPACED: &[&str] = &[
    "为什么",
    "多少",
    "什么",
    "哪些",
    "哪个",
    "哪里",
    "怎么",
    "如何",
    "何时",
    "哪",
    "谁",
    "吗",
    "呢",
    "為什麼",
    "什麼",
    "怎麼",
    "何でしょうか",
    "何ですか",
    "どこですか",
    "でしょうか",
    "ましたか",
    "だったか",
    "ですか",
    "ますか",
    "どんな",
    "どこ",
    "だれ",
    "どの",
    "どれ",
    "いつ",
    "なぜ",
    "なに",
    "誰",
    "何",
    "무엇",
    "누구",
    "어디",
    "언제",
    "어떻게",
    "얼마나",
    "อะไร",
    "ที่ไหน",
    "เมื่อไหร่",
    "เมื่อไร",
    "อย่างไร",
    "ทำไม",
    "เท่าไหร่",
    "เท่าไร",
    "ใคร",
];

struct Lexicon {
    /// A bit for each language in which the word is common or asks.
    votes: FxHashMap<&'static str, u32>,
    /// A bit for each language in which the word asks.
    asking: FxHashMap<&'static str, u32>,
}

/// In the scripts that say the language by themselves.
const ELSEWHERE: u32 = 1 << 31;

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut lexicon = Lexicon { votes: FxHashMap::default(), asking: FxHashMap::default() };
    for (index, profile) in PROFILES.iter().enumerate() {
        for word in profile.common.split_whitespace().chain(profile.asking.split_whitespace()) {
            *lexicon.votes.entry(word).or_default() |= 1 << index;
        }
        for word in profile.asking.split_whitespace() {
            *lexicon.asking.entry(word).or_default() |= 1 << index;
        }
    }
    for word in ASKING_ELSEWHERE.split_whitespace() {
        *lexicon.asking.entry(word).or_default() |= ELSEWHERE;
    }
    lexicon
});

impl Language {
    pub(crate) const ENGLISH: Self = Self(0);

    /// All languages.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..PROFILES.len()).map(Self)
    }

    pub(crate) fn stemmer(self) -> Algorithm {
        PROFILES.get(self.0).map_or(Algorithm::English, |profile| profile.stemmer)
    }

    /// Whether a word, in lower case, only makes a question of a question, in this language or by its script.
    pub(crate) fn is_asking(self, word: &str) -> bool {
        LEXICON.asking.get(word).is_some_and(|languages| languages & (ELSEWHERE | 1 << self.0) != 0)
    }
}

/// Counts for which languages the words of a text speak.
#[derive(Clone, Debug, Default)]
pub(crate) struct Votes([u32; PROFILES.len()]);

impl Votes {
    /// Counts a word, in lower case.
    pub(crate) fn count(&mut self, word: &str) {
        if let Some(languages) = LEXICON.votes.get(word) {
            for (index, votes) in self.0.iter_mut().enumerate() {
                *votes += languages >> index & 1;
            }
        }
    }

    pub(crate) fn plus(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, votes)| *sum += votes);
        self
    }

    /// The language with the most votes, the first of equals; `None` without any vote.
    pub(crate) fn winner(&self) -> Option<Language> {
        let most = self.0.iter().copied().max().filter(|most| *most > 0)?;
        self.0.iter().position(|votes| *votes == most).map(Language)
    }
}

/// A text of an unspaced script, cut where it only asks.
pub(crate) fn without_asking(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        match ASKING_UNSPACED.iter().find(|asking| rest.starts_with(**asking)) {
            Some(asking) => {
                pieces.extend(text.get(from..at));
                at += asking.len();
                from = at;
            }
            None => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    pieces.extend(text.get(from..));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_languages_by_their_common_words() {
        let check = |text: &str, expected: Option<Algorithm>| {
            let mut votes = Votes::default();
            text.split_whitespace().for_each(|word| votes.count(word));
            assert_eq!(votes.winner().map(Language::stemmer), expected, "{text}");
        };
        check("how many points did the panthers surrender", Some(Algorithm::English));
        check("wie viele punkte gab die verteidigung der panthers auf", Some(Algorithm::German));
        check("wer ist kant", Some(Algorithm::German));
        check("cuántos puntos dejó escapar la defensa de los panthers", Some(Algorithm::Spanish));
        check("combien de points la défense des panthers a concédés", Some(Algorithm::French));
        check("hoeveel punten gaf de verdediging van de panthers weg", Some(Algorithm::Dutch));
        check("was", Some(Algorithm::English));
        check("kubernetes ingress", None);
    }

    #[test]
    fn cuts_what_asks() {
        assert_eq!(without_asking("首都はどこですか"), ["首都は"]);
        assert_eq!(without_asking("谁是总统"), ["是总统"]);
        assert_eq!(without_asking("为什么"), Vec::<&str>::new());
        assert_eq!(without_asking("東京"), ["東京"]);
    }
}
