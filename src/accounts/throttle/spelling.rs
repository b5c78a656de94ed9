//! The one spelling in which an account's name is counted: without white space and without capitals. The tables of
//! the standard library would make the module larger by more than one per cent. These few rows fold every capital that those
//! know into its small letter; rare letters they fold into one, so that a few names more than necessary are counted together.

use Case::{At, Even, Odd, Rare};

/// What becomes of the letters of a range.
#[derive(Clone, Copy)]
enum Case {
    /// The small letters are so much further on, around the end of 16 bits where they are further back.
    At(u16),
    /// Capitals are even, and each has its small letter behind it.
    Even,
    /// The same with odd capitals.
    Odd,
    /// All become one.
    Rare,
}

/// Where small letters are; the first row that has a letter counts.
const CASES: [(u16, u16, Case); 49] = [
    // Latin; its letters with accents and the Vietnamese ones
    (0x41, 0x5a, At(32)),
    (0xc0, 0xde, At(32)),
    (0x130, 0x130, At(0xff39)),
    (0x139, 0x148, Odd),
    (0x100, 0x177, Even),
    (0x178, 0x178, At(0xff87)),
    (0x179, 0x17e, Odd),
    (0x1a0, 0x1a5, Even),
    (0x1af, 0x1b0, Odd),
    (0x1cd, 0x1dc, Odd),
    (0x1f8, 0x21f, Even),
    (0x180, 0x2af, Rare),
    // Greek; a sigma at the end is one like others
    (0x370, 0x377, Even),
    (0x37b, 0x37f, Rare),
    (0x386, 0x386, At(38)),
    (0x388, 0x38a, At(37)),
    (0x38c, 0x38c, At(64)),
    (0x38e, 0x38f, At(63)),
    (0x391, 0x3ab, At(32)),
    (0x3c2, 0x3c2, At(1)),
    (0x3f4, 0x3f4, At(0xffc4)),
    (0x3cf, 0x3ff, Rare),
    // Cyrillic
    (0x400, 0x40f, At(80)),
    (0x410, 0x42f, At(32)),
    (0x4c0, 0x4c0, At(15)),
    (0x4c1, 0x4ce, Odd),
    (0x460, 0x52f, Even),
    // Armenian, Georgian, Cherokee
    (0x531, 0x556, At(48)),
    (0x10a0, 0x10cf, At(0x1c60)),
    (0x13a0, 0x13ef, At(0x97d0)),
    (0x13f0, 0x13f5, At(8)),
    (0x1c89, 0x1c8a, Odd),
    (0x1c90, 0x1cbf, At(0xf440)),
    // Phonetic signs; more Latin and Greek
    (0x1d00, 0x1dbf, Rare),
    (0x1e9e, 0x1e9e, At(0xe241)),
    (0x1e00, 0x1eff, Even),
    (0x1f00, 0x1fff, Rare),
    // Signs that are letters: ohm, kelvin, ångström; numerals, circled letters
    (0x2126, 0x2126, At(0xe2a3)),
    (0x212a, 0x212a, At(0xdf41)),
    (0x212b, 0x212b, At(0xdfba)),
    (0x2132, 0x2132, At(28)),
    (0x2160, 0x216f, At(16)),
    (0x2183, 0x2184, Odd),
    (0x24b6, 0x24cf, At(26)),
    // Glagolitic, Coptic; more Cyrillic and Latin
    (0x2c00, 0x2cff, Rare),
    (0xa640, 0xa69b, Even),
    (0xa722, 0xa7ff, Rare),
    (0xab30, 0xab6f, Rare),
    (0xff21, 0xff3a, At(32)),
];

/// Stands for all rare letters.
const RARE: u32 = 0x180;

/// An account's name for counting: its letters, four bytes each.
pub(super) fn of(account: &str) -> Vec<u8> {
    let mut name = Vec::new();
    for letter in account.chars() {
        // The dot is what a capital I with one leaves.
        if !letter.is_whitespace() && letter != '\u{307}' {
            name.extend_from_slice(&small(letter.into()).to_le_bytes());
        }
    }
    name
}

fn small(letter: u32) -> u32 {
    let Ok(near) = u16::try_from(letter) else {
        return match letter {
            // Old scripts; Adlam.
            0x1_0400..=0x1_6fff => RARE,
            0x1_e900..=0x1_e921 => letter.saturating_add(34),
            _ => letter,
        };
    };
    match CASES.iter().find(|(first, last, _)| (*first..=*last).contains(&near)).map(|(.., case)| case) {
        Some(At(further)) => near.wrapping_add(*further).into(),
        Some(Even) => letter | 1,
        Some(Odd) => letter.saturating_add(1) & !1,
        Some(Rare) => RARE,
        None => letter,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::of;

    #[test]
    fn every_capital_that_unicode_knows_is_counted_as_its_small_letter() {
        for letter in '\0'..=char::MAX {
            let (one, small) = (letter.to_string(), letter.to_lowercase().to_string());
            assert_eq!(of(&one), of(&small), "{:x}", u32::from(letter));
        }
        // Where the small letter depends on its neighbours.
        assert_eq!(of("\u{3000}ΟΔΥΣΣΕΥΣ\t"), of("οδυσσευς"));
        assert_eq!(of("ΟΔΥΣΣΕΥΣ".to_lowercase().as_str()), of("ΟΔΥΣΣΕΥΣ"));
    }

    #[test]
    fn letters_in_which_people_write_their_names_stay_different() {
        for alphabet in [
            "abcdefghijklmnopqrstuvwxyz0123456789.-_+@!#$%&'*/=?^`{|}~",
            "aàáâãäåæbcçdðeèéêëfghiìíîïjklmnñoòóôõöøpqrstuùúûüvwxyýÿzþßœ",
            "aăâąbcćčdďđeęěėēfgğģhiīįıjkķlłľĺļmnńňņŋoőōpqrřŕsśšşștťţțŧuűůūųvwxyzźžżŵŷ",
            "aảãáạăằẳẵắặâầẩẫấậbcdđeẻẽéẹêềểễếệghiỉĩíịklmnoỏõóọôồổỗốộơờởỡớợpqrstuủũúụưừửữứựvxyỷỹýỵ",
            "αάβγδεέζηήθιίϊΐκλμνξοόπρστυύϋΰφχψωώ",
            "абвгґдђѓеёєжзѕиіїйјкљлмнњопрстћќуўфхцчџшщъыьэюяәғқңөұүһ",
            "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆև",
            "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
            "王伟李娜さくらサクラ김민준אבגדهوزحอนุमनीष",
        ] {
            let letters: BTreeSet<_> = alphabet.chars().collect();
            let folded: BTreeSet<_> = letters.iter().map(|letter| of(&letter.to_string())).collect();
            assert_eq!(folded.len(), letters.len(), "{alphabet}");
        }
    }
}
