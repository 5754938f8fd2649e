"""What a column's or key's name says about its values, in several languages. `scanner`, `engine` and `texts` ask.

`subject` is the weaker evidence: people's names, addresses, birth dates cannot be told by their values. `telling`
says which numbers to expect: in a column `phone` bare digits are phone numbers.
"""

import re
import unicodedata
from functools import lru_cache

# A word matches at the start of the name or after a separator or a change of case, and up to the next one. A space
# stands for any such border, or none: `birth date` is birth_date, birthDate, birthdate.
_WORDS: dict[str, str] = {
    "email": "email|e mail|mail address|mailadresse|correo|courriel|adresse mail|epost|邮箱|メール|почта",
    "phone": "phone|phones|phone number|telephone|mobile|mobile number|cell phone|cell number|fax|telefax|"
    "tel|msisdn|whatsapp|telefon|telefonnummer|handynummer|handy nr|rufnummer|telefono|telefone|celular|"
    "movil|mobil|gsm|"
    "numero de telephone|telephone portable|telefoon|telefoonnummer|cellulare|puhelin|电话|手机|電話|телефон",
    "card": "card number|card no|card num|credit card|debit card|cc num|cc number|cc no|pan number|card pan|"
    "kreditkarte|kartennummer|carte bancaire|numero carte|tarjeta|numero tarjeta|carta di credito|cartao",
    "iban": "iban|bank account|account iban|bankverbindung|kontonummer|compte bancaire|cuenta bancaria",
    "us_ssn": "ssn|social security|social security number|social sec",
    "nl_bsn": "bsn|burgerservicenummer|sofinummer|sofi nummer",
    "se_personnummer": "personnummer|personnr|samordningsnummer",
    "br_cpf": "cpf",
    "in_aadhaar": "aadhaar|aadhar|uidai|aadhaar number|aadhaar no",
    "ca_sin": "social insurance|social insurance number|sin number|sin no",
    "national_id": "national id|national identity|identity number|national insurance|nino|numero nir|numero secu|"
    "securite sociale|insee|steuer id|steuer idnr|steuerliche identifikationsnummer|idnr|tax id|taxpayer id|dni|"
    "nie|nif|codice fiscale|cod fiscale|codfiscale|pesel|rijksregister|rijksregisternummer|registre national|"
    "personal identity|ahv|ahv nr|avs|resident id|id card|身份证|hetu|henkilotunnus|cedula|curp",
    "passport": "passport|passport number|passport no|passeport|reisepass|passnummer|pasaporte|passaporto|"
    "passaporte|护照",
    "licence": "driver licence|driver license|drivers license|driving licence|fuhrerschein|permis de conduire",
    "birth_date": "birth date|date of birth|dob|birthday|birth day|born|geburtsdatum|geburtstag|geb datum|"
    "date de naissance|date naissance|naissance|fecha de nacimiento|fecha nacimiento|nacimiento|data di nascita|"
    "data nascita|nascita|data de nascimento|data nascimento|nascimento|geboortedatum|data urodzenia|urodzenia|"
    "fodelsedatum|出生日期|生日",
    "surname": "surname|last name|family name|maiden name|nachname|familienname|nom de famille|apellido|apellidos|"
    "cognome|sobrenome|achternaam|nazwisko|efternamn|sukunimi|姓氏|фамилия",
    "given_name": "first name|given name|middle name|forename|vorname|prenom|primer nombre|voornaam|imie|fornamn|"
    "etunimi|имя",
    "name": "full name|customer name|client name|patient name|employee name|person name|contact name|user name|"
    "passenger name|student name|member name|account holder|card holder|cardholder name|holder name|kundenname|"
    "nombre completo|nome completo|nom complet|nome cognome|姓名|氏名",
    "address": "address|street|street address|home address|postal address|address line 1|address line 2|adresse|"
    "anschrift|strasse|direccion|domicilio|indirizzo|endereco|adres|straat|ulica|calle|地址|住所|адрес",
}
_MASKED = re.compile(r"\[(?:email|phone|card|iban|national_id)\]")  # says what was there, no more
_ALONE = {"name": "name", "nom": "name", "nombre": "name", "nome": "name", "naam": "name", "names": "name"}
# `phone_model`, `email_count`, `ip_address`, `product name`: about something else.
_ABOUT_IT = (
    "count counts ip mac model type kind brand os time timestamp at since minutes seconds duration usage "
    "plan service charge charges cost price rate ratio share avg mean sum total has is verified valid opt "
    "optin consent subscribed opened clicked clicks sent status flag length len domain provider hash "
    "hashed url wallet contract memory bucket server host version protocol "
)
_OTHER = frozenset(_ABOUT_IT.split())
_NUMBERED = (
    "phone",
    "card",
    "us_ssn",
    "nl_bsn",
    "se_personnummer",
    "br_cpf",
    "in_aadhaar",
    "ca_sin",
    "national_id",
)


def _pattern(words: str) -> re.Pattern[str]:
    terms = words.split("|")
    # Chinese and Japanese put no borders between words.
    joined = [re.escape(term) for term in terms if term[0] >= "\u3000"]
    bordered = [r"[ ]?".join(map(re.escape, term.split(" "))) for term in terms if term[0] < "\u3000"]
    return re.compile("|".join([*joined, rf"(?:^|[ ])(?:{'|'.join(bordered)})s?(?=$|[ ]|\d)"]))


_SUBJECTS = {subject: _pattern(words) for subject, words in _WORDS.items()}
# Any word that announces a number, for a search in whole texts.
ANNOUNCING = "|".join(
    re.escape(term).replace("\\ ", "[ _-]?")
    for subject in sorted(_NUMBERED)
    for term in _WORDS[subject].split("|")
)


@lru_cache(maxsize=4096)
def subject(name: str) -> str | None:
    """What a name is about (`email`, `surname`, ...), None if nothing personal."""
    plain = _plain(name)
    if plain in _ALONE:
        return _ALONE[plain]
    if _OTHER.intersection(plain.split()):
        return None
    return next((subject for subject, pattern in _SUBJECTS.items() if pattern.search(plain)), None)


@lru_cache(maxsize=4096)
def telling(name: str) -> frozenset[str]:
    """Which kinds of bare numbers the name announces."""
    plain = _plain(name)
    if _OTHER.intersection(plain.split()):
        return frozenset()
    return frozenset(subject for subject in _NUMBERED if _SUBJECTS[subject].search(plain))


def _plain(name: str) -> str:
    """Lower case, no accents, words apart: `Nº_TéléphoneClient` → `no telephone client`."""
    apart = re.sub(r"(?<=[^\W\d_])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", " ", _MASKED.sub(" ", name[:200]))
    folded = "".join(
        sign for sign in unicodedata.normalize("NFKD", apart) if not unicodedata.combining(sign)
    ).casefold()
    return " ".join(re.sub(r"[\W_]+", " ", folded).split())
