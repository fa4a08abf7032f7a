"""The little world the demo's documents come from: short reports in seven domains, each about two people, two places, two
quantities, two months and one outcome, with a right and a wrong way to sum them up."""
import random
import string

FIRST = """Adam Alice Anton Bela Bruno Carla Cora Daniel Dora Edgar Elena Emil Erik Esther Felix Flora Frida Georg Greta Hanna
Hugo Ida Igor Ines Ivan Jana Jonas Judith Karl Klara Lena Leo Linda Lucas Maja Maria Mark Martin Mila Nadia Nils Nora Olga
Oscar Paul Petra Ralf Rita Robert Rosa Ruth Samuel Sara Simon Sofia Stefan Tania Thomas Vera Victor""".split()
LAST = """Abbot Adler Baker Barlow Becker Berg Blake Brandt Carver Cole Conrad Crane Dahl Dalton Decker Dixon Eberle Ellis
Falk Farmer Fischer Fleming Forster Garner Graham Grant Haas Hale Harper Holt Hughes Jansen Jordan Keller Kemp Kramer Lang
Larsen Lloyd Lund Mason Mercer Meyer Miller Moreau Nash Nolan Novak Olsen Palmer Parker Pryor Quinn Ramsey Reed Rossi Sander
Shaw Sterling Stone Tanner Turner Vogel Walker Weber Winter Wolf York Ziegler""".split()
PLACES = """Alderton Arlen Ashby Barton Belmont Bergen Bradwell Bristow Calder Camden Carlow Clifton Corby Dalby Darnley
Denholm Dunmore Easton Elmira Fairfax Farley Fenwick Garland Glenville Halden Harlow Hartley Hollis Ilford Kelso Kendal
Kirkby Lambton Langley Leland Linton Malden Marlow Melrose Milford Newbury Norwood Oakham Orwell Penrith Preston Radley
Redmond Rowley Selby Sheldon Stanton Thornby Tilbury Upton Walden Warwick Weston Whitby Wexford""".split()
NUMBERS = """three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty thirty forty fifty sixty seventy eighty ninety""".split()
MONTHS = "January February March April May June July August September October November December".split()
# For the tokenizer alone, so that other English is not spelled out letter by letter.
COMMON = """about after again all also always and another any are around because been before being below between both but can
change children come could country day did different does down each enough even every example find form from give good great
group had hand have help here high house important into just keep kind know large last learn left letter life light like line
little live long look made make many mean might more most mother move much must name near never night number often only open
other over own page part people place plant point problem public question read right same school second sentence should show
side small some something sound start state still story study such system take tell than that their them then there these
they thing think those through time together too tree turn under until use very want water way well went were what when where
which while will with without word work world would write year young your""".split()

# Key facts: A person, P place, N quantity, D month, O outcome. B, Q, M, E: the other person, place, quantity and month of the
# same report, which a careless summary takes instead. a, b: surnames. T: what the report is about.
# A report is one sentence out of each group of `report` (None: the group may be left out), a summary one line of `summary`.
DOMAINS = {
  "council": dict(
    things="bridge library school museum harbour stadium".split(),
    outcomes=(["approved", "accepted"], ["rejected", "refused"]),
    report=[
      ["The council of {P} met in {D} to vote on a new {T}.", "A plan for a new {T} in {P} came before the council in {D}.",
       "In {D}, councillors in {P} debated whether to build a {T}."],
      ["{A} put the plan forward, and {B} spoke against it.", "The plan came from {A}, while {B} led the opposition.",
       "{B} argued against the {T}, which {A} had proposed."],
      ["The {T} would cost {N} million, not {M} million as first thought.",
       "The cost, first put at {M} million, is now set at {N} million.",
       "An early estimate of {M} million has given way to a firm price of {N} million."],
      ["After a long evening the {T} was {O}.", "In the end the plan was {O}.", "The council {O} it by a narrow margin."],
      ["The town of {Q} had also asked for a {T}.", "People in {Q} had hoped to get the {T} instead.",
       "An older plan to build it in {Q} was dropped years ago."],
      ["{b} will raise the matter again in {E}.", "The next meeting is planned for {E}.", "A public hearing follows in {E}."],
      ["{a} said the debate had been fair.", "Afterwards {a} thanked everyone who came.", "{b} left without a word.", None]],
    summary=[
      "In {D} the council of {P} {O} a {T} proposed by {A}. It would cost {N} million.",
      "{A} proposed a {T} in {P}, and the plan was {O} in {D}. The price is {N} million.",
      "The council {O} a {T} for {N} million in {P}. The plan came from {A}.",
      "A {T} in {P}, put forward by {A} at {N} million, was {O} in {D}."],
    questions=[("Who proposed it?", "A"), ("Who was against it?", "B"), ("Where would it be built?", "P"),
               ("How many million would it cost?", "N"), ("When was the vote?", "D"), ("What did the council decide?", "O")]),
  "company": dict(
    things="bicycle glass paper clock cheese furniture".split(),
    outcomes=(["rose", "grew"], ["fell", "shrank"]),
    report=[
      ["A {T} maker from {P} published its results in {D}.", "In {D}, a {T} maker based in {P} gave its yearly figures.",
       "The {T} company of {P} presented its accounts in {D}."],
      ["Its profit {O} by {N} percent, after a change of {M} percent the year before.",
       "Profit {O} by {N} percent, compared with {M} percent a year ago.",
       "Last year the change was {M} percent, and this time profit {O} by {N} percent."],
      ["{A} has taken over as director from {B}.", "The new director is {A}, who follows {B}.",
       "{B} stepped down, and {A} now leads the firm."],
      ["A factory in {Q} will be sold.", "The old plant in {Q} is to close.", "Workers in {Q} fear for their jobs."],
      ["{a} promised careful spending.", "According to {a}, orders are steady.", "{a} spoke of a fresh start.", None],
      ["New machines arrive in {E}.", "The owners meet in {E}.", "A new {T} line starts in {E}."],
      ["{b} will travel for a while.", "{b} remains as adviser.", None]],
    summary=[
      "Profit at a {T} maker from {P} {O} by {N} percent. Its new director is {A}.",
      "Under its new director {A}, a {T} maker in {P} said in {D} that profit {O} by {N} percent.",
      "A {T} company based in {P} is now led by {A}. Profit {O} by {N} percent, it said in {D}.",
      "In {D} a {T} maker from {P} reported that profit {O} by {N} percent."],
    questions=[("Who is the new director?", "A"), ("Who was director before?", "B"), ("Where is the company based?", "P"),
               ("By how many percent did profit change?", "N"), ("When were the results published?", "D"),
               ("What happened to profit?", "O")]),
  "nature": dict(
    things="heron otter beaver falcon turtle salmon".split(),
    outcomes=(["closed", "fenced"], ["opened", "unlocked"]),
    report=[
      ["A {T} study led by {A} ended in {D}.", "In {D}, {A} finished a study of {T} numbers.",
       "The {T} survey that {A} directs was completed in {D}."],
      ["Near {P} the team counted {N} pairs, against {M} last year.", "The group found {N} pairs at {P}, while last year it was {M}.",
       "Last year there had been {M} pairs, and this year {N} were seen around {P}."],
      ["Samples were sent to a laboratory in {Q}.", "The team has its office in {Q}.", "Volunteers came by bus from {Q}."],
      ["{B} paid for the work.", "The money came from {B}.", "The photographs were taken by {B}."],
      ["For now the reserve has been {O}.", "As a result the area was {O}.", "The lake shore has since been {O}."],
      ["The next count is due in {E}.", "A report will be printed in {E}.", "Work goes on in {E}."],
      ["{a} was pleased with the weather.", "{a} thanked the volunteers.", "{b} hopes to visit the site.", None]],
    summary=[
      "{A} led a {T} study at {P} that counted {N} pairs. The area was {O}.",
      "A study by {A} found {N} {T} pairs near {P} in {D}. The area has been {O}.",
      "The {T} survey led by {A} ended in {D}. It counted {N} pairs at {P}.",
      "Near {P}, {N} {T} pairs were counted by {A}, and the reserve was {O}."],
    questions=[("Who led the study?", "A"), ("Who supported the work?", "B"), ("Where were the animals counted?", "P"),
               ("How many pairs were counted this year?", "N"), ("When did the study end?", "D"),
               ("What was done with the area?", "O")]),
  "clinic": dict(
    things="asthma migraine allergy cough fever knee".split(),
    outcomes=(["worked", "helped"], ["failed", "disappointed"]),
    report=[
      ["A trial of a new {T} treatment in {P} came to an end in {D}.", "In {D}, doctors in {P} ended a trial of a {T} treatment.",
       "The hospital of {P} completed its {T} trial in {D}."],
      ["It was run by {A} and reviewed by {B}.", "{A} was in charge, and {B} checked the results.",
       "{B} reviewed the trial, which {A} had designed."],
      ["Of {M} patients invited, {N} took part.", "In all {N} patients took part, although {M} had been invited.",
       "{N} patients joined the trial, while {M} had been expected."],
      ["The treatment {O}.", "Doctors agree that the treatment {O}.", "By all measures the treatment {O}."],
      ["A second hospital in {Q} had withdrawn.", "Patients from {Q} were not included.", "The medicine is made in {Q}."],
      ["Another trial begins in {E}.", "The full data will appear in {E}.", "Doctors will meet again in {E}."],
      ["{a} spoke of a useful lesson.", "{a} thanked the nurses.", "{b} asked for more data.", None]],
    summary=[
      "A {T} trial run by {A} in {P} ended in {D}. The treatment {O}.",
      "The new {T} treatment {O} in a trial with {N} patients in {P}, run by {A}.",
      "{A} ran a {T} trial in {P} with {N} patients. The treatment {O}.",
      "In {D} a {T} trial with {N} patients ended in {P}, and the treatment {O}."],
    questions=[("Who ran the trial?", "A"), ("Who reviewed the trial?", "B"), ("Where was the trial?", "P"),
               ("How many patients took part?", "N"), ("When did the trial end?", "D"), ("What did the treatment do?", "O")]),
  "court": dict(
    things="mill farm barn shop boat garden".split(),
    outcomes=(["upheld", "granted"], ["dismissed", "denied"]),
    report=[
      ["A case about a {T} was heard in {P} in {D}.", "In {D}, the court of {P} dealt with a dispute over a {T}.",
       "The long dispute over a {T} reached the court of {P} in {D}."],
      ["The judge was {A}, and {B} spoke for the owner.", "{A} presided, with {B} as lawyer for the owner.",
       "{B} acted as lawyer before the judge, {A}."],
      ["The court heard {N} witnesses, although {M} had been named.", "Of the {M} witnesses named, {N} were heard.",
       "{M} witnesses were on the list, and the court listened to {N} of them."],
      ["The claim was {O}.", "In the end the claim was {O}.", "The judge ruled that the claim be {O}."],
      ["The {T} itself stands in {Q}.", "The owner now lives in {Q}.", "An earlier hearing was held in {Q}."],
      ["An appeal may follow in {E}.", "The written ruling is due in {E}.", "The costs must be paid by {E}."],
      ["{b} asked for more time.", "{b} made no comment.", "{a} called the case unusual.", None]],
    summary=[
      "A claim over a {T} was {O} by {A} in {P}. The court heard {N} witnesses.",
      "In {D} the judge {A} {O} a claim about a {T} in {P}.",
      "The court of {P} {O} a claim over a {T} in {D} after {N} witnesses. The judge was {A}.",
      "After {N} witnesses, {A} {O} the claim about a {T} in {D}."],
    questions=[("Who was the judge?", "A"), ("Who was the lawyer?", "B"), ("Where was the case heard?", "P"),
               ("How many witnesses were heard?", "N"), ("When was the case heard?", "D"), ("What became of the claim?", "O")]),
  "festival": dict(
    things="jazz film book puppet dance theatre".split(),
    outcomes=(["succeeded", "shone"], ["flopped", "struggled"]),
    report=[
      ["The {T} festival took place in {P} this {D}.", "This {D}, {P} was host to the {T} festival.",
       "Guests came to {P} in {D} for the {T} festival."],
      ["It had been planned for {Q}.", "It was moved there from {Q}.", "Until last year its home was {Q}."],
      ["{A} opened the first evening in place of {B}, who was ill.", "{B} was ill, so {A} opened the first evening.",
       "The opening was given by {A}, as {B} could not come."],
      ["The festival sold {N} hundred tickets, after {M} hundred last year.",
       "Last year {M} hundred tickets were sold, and this year {N} hundred.",
       "Ticket sales reached {N} hundred, compared with {M} hundred a year ago."],
      ["Critics wrote that the evening {O}.", "On the whole the programme {O}.", "Most visitors felt that the festival {O}."],
      ["Next year it will be held in {E}.", "The next programme appears in {E}.", "A smaller event follows in {E}."],
      ["{a} was moved by the applause.", "{a} signed posters until late.", "{b} sent a letter to the guests.", None]],
    summary=[
      "The {T} festival in {P}, opened by {A}, {O}. It sold {N} hundred tickets.",
      "{A} opened the {T} festival in {P} in {D}. It {O}.",
      "In {D} the {T} festival in {P} sold {N} hundred tickets. It was opened by {A}.",
      "With {N} hundred tickets sold, the {T} festival in {P} {O} in {D}."],
    questions=[("Who opened the festival?", "A"), ("Who was ill?", "B"), ("Where did it take place?", "P"),
               ("How many hundred tickets were sold this year?", "N"), ("When did it take place?", "D"),
               ("How did the festival go?", "O")]),
  "match": dict(
    things="football hockey tennis chess rugby handball".split(),
    outcomes=(["won", "triumphed"], ["lost", "stumbled"]),
    report=[
      ["The {T} club played at home in {P} in {D}.", "In {D}, fans filled the hall in {P} for a {T} match.",
       "A {T} match was played in {P} in {D}."],
      ["The home side {O} in front of {N} hundred people, while last time only {M} hundred came.",
       "Before {N} hundred people, compared with {M} hundred last time, the home side {O}.",
       "The crowd was {M} hundred last time and {N} hundred now, and the home side {O}."],
      ["{A} was named best player, while {B} was injured.", "{B} was hurt early, and {A} was the best player.",
       "The prize for best player went to {A}, and {B} left with an injury."],
      ["The return match will be in {Q} in {E}.", "In {E} the teams meet again in {Q}.",
       "Both teams travel to {Q} for the next match in {E}."],
      ["{a} praised the coach.", "{a} gave the ball to a child.", "{b} hopes to train again soon.", None],
      ["The coach spoke of hard work.", "Rain had delayed the start.", "The referee had a calm evening.", None]],
    summary=[
      "The home side {O} when {T} was played in {P} in {D}. {A} was the best player.",
      "In {P}, {N} hundred people saw the home {T} side as it {O}. {A} was named best player.",
      "With {A} as best player, the {T} side of {P} {O} at home in {D} before {N} hundred people.",
      "Before {N} hundred people in {P}, the {T} home side {O} in {D}."],
    questions=[("Who was the best player?", "A"), ("Who was injured?", "B"), ("Where was the match?", "P"),
               ("How many hundred people came?", "N"), ("When was the match?", "D"), ("How did the home side do?", "O")]),
}

# Every word that a summary has to copy: what is missing here, the base never learns to read.
WORDS = FIRST + LAST + PLACES + NUMBERS + MONTHS + sorted(
  {word for spec in DOMAINS.values() for words in (spec["things"], *spec["outcomes"]) for word in words})
OTHER = {"A": "B", "P": "Q", "N": "M", "D": "E"}
POOLS = {"P": PLACES, "N": NUMBERS, "D": MONTHS}


def person(rng):
  return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def facts(rng):
  """One report's fact table: every key fact has a rival of the same kind."""
  domain = rng.choice(sorted(DOMAINS))
  spec = DOMAINS[domain]
  table = {"domain": domain, "T": rng.choice(spec["things"]), "outcome": rng.randrange(2)}
  table["A"] = person(rng)
  while True:
    table["B"] = person(rng)
    if not set(table["A"].split()) & set(table["B"].split()):
      break
  for key, pool in POOLS.items():
    table[key], table[OTHER[key]] = rng.sample(pool, 2)
  table["O"] = rng.choice(spec["outcomes"][table["outcome"]])
  return table


def render(template, table):
  text = template.format(a=table["A"].split()[1], b=table["B"].split()[1], **table)
  return text[0].upper() + text[1:]


def report(rng, table, sentences=None):
  """A whole report, or an excerpt of at most so many sentences."""
  groups = DOMAINS[table["domain"]]["report"]
  if sentences:
    groups = [groups[i] for i in sorted(rng.sample(range(len(groups) - 1), sentences))]
  sentences = [rng.choice(group) for group in groups]
  return " ".join(render(s, table) for s in sentences if s) or report(rng, table)


def corrupted(rng, table, slots):
  """The table with some of `slots` made wrong, and how: swapped with the rival, invented, or flipped (an outcome).
  Mostly every slot goes wrong, else a random part of them."""
  count = len(slots) if rng.random() < 0.5 else rng.randint(1, len(slots))
  wrong, kinds = dict(table), set()
  for slot in rng.sample(slots, count):
    if slot == "O":
      wrong["O"] = rng.choice(DOMAINS[table["domain"]]["outcomes"][1 - table["outcome"]])
      kinds.add("flipped")
    elif rng.random() < 0.85:
      wrong[slot] = table[OTHER[slot]]
      kinds.add("swapped")
    else:
      taken = {table[slot], table[OTHER[slot]]}
      while wrong[slot] in taken:
        wrong[slot] = person(rng) if slot == "A" else rng.choice(POOLS[slot])
      kinds.add("invented")
  return wrong, kinds


def summary(rng, table, faithful):
  """One or two sentences with three to five facts; unfaithful ones differ in the facts alone. Returns text, kinds of error."""
  template = rng.choice(DOMAINS[table["domain"]]["summary"])
  slots = sorted({f for _, f, _, _ in string.Formatter().parse(template) if f} - {"T"})
  if faithful:
    return render(template, table), set()
  wrong, kinds = corrupted(rng, table, slots)
  return render(template, wrong), kinds


def questions(rng, table, text, count):
  """Up to `count` questions that `text` answers, with their answers."""
  asked = [(question, slot) for question, slot in DOMAINS[table["domain"]]["questions"] if table[slot] in text]
  asked = rng.sample(asked, min(count, len(asked)))
  return [(question, f"The answer is {table[slot]}.") for question, slot in asked]


def right_summaries(table):
  """Every faithful summary of a report that the templates allow."""
  spec = DOMAINS[table["domain"]]
  return {render(template, {**table, "O": word})
          for template in spec["summary"] for word in spec["outcomes"][table["outcome"]]}
