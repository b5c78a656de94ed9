#!/bin/sh
# Adds the number of inputs that a target has tried to its row in fuzz/README.md, and to the sum there, with today's date:
# fuzz/record.sh TARGET NUMBER
set -eu
cd "$(dirname "$0")"
trap 'rm -f README.md.new' EXIT
awk -v target="\`$1\`" -v tried="$2" -v today="$(date -u +%Y-%m-%d)" -F ' *[|] *' '
    function grouped(number,   text, rest) {
        for (text = sprintf("%.0f", number); length(text) > 3; text = substr(text, 1, length(text) - 3))
            rest = "," substr(text, length(text) - 2) rest
        return text rest
    }
    $2 == target || $2 == "all" {
        before = $5
        gsub(",", "", before)
        printf "| %s | %s | %s | %s | %s |\n", $2, $3, $4, grouped(before + tried), today
        found += $2 == target
        next
    }
    { print }
    END { exit found != 1 }
' README.md >README.md.new
mv README.md.new README.md
