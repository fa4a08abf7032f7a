# Counts facts in the samples of a run: names, places, numbers and months (facts.txt) that a summary has in common with the
# faithful one, others of its document, and those that it invents. Over all held-out documents, before and after training.
#
#     awk -f demo/facts.awk demo/facts.txt demo/run/samples.jsonl

# The facts of a text as the keys of `found`. A number may begin a sentence; the month of May is no verb.
function read(text, found,    parts, n, i) {
  delete found
  gsub(/\\n/, " ", text)
  gsub(/[^A-Za-z]+/, " ", text)
  n = split(text, parts, " ")
  for (i = 1; i <= n; i++) {
    if (parts[i] in facts) found[parts[i]] = 1
    else if (tolower(parts[i]) in facts) found[tolower(parts[i])] = 1
  }
}

# The text of a field. The demo's texts hold no quotation marks.
function field(line, name) {
  return match(line, "\"" name "\":\"[^\"]*\"") ? substr(line, RSTART + length(name) + 4, RLENGTH - length(name) - 5) : ""
}

NR == FNR { facts[$0] = 1; next }

{
  match($0, /"step":[0-9]+/)
  step = substr($0, RSTART + 7, RLENGTH - 7) + 0
  if (FNR == 1) first = step
  last = step
  read(field($0, "prompt"), document)
  read(field($0, "chosen"), faithful)
  read(field($0, "answer"), answer)
  for (word in answer) {
    if (word in faithful) right[step]++
    else if (word in document) other[step]++
    else invented[step]++
  }
}

END {
  printf "facts of the faithful summary %5d before, %5d after\n", right[first], right[last]
  printf "other facts of the document   %5d before, %5d after\n", other[first], other[last]
  printf "facts invented                %5d before, %5d after\n", invented[first], invented[last]
}
