# Prints each image that a Dockerfile starts from or copies from and that no digest names.
# First file: build arguments, NAME=VALUE a line; second: the Dockerfile.
function value(text,    name) {
    if (text ~ /^\$/) {
        name = text
        gsub(/[${}]/, "", name)
        return name in given ? given[name] : text
    }
    return text
}
function look(image) {
    gsub(/^ +| +$/, "", image)
    image = value(image)
    if (image == "scratch" || image in stages || image ~ /^[0-9]+$/) return
    if (image !~ /@sha256:[0-9a-f]+$/) print image
}
FNR == NR {
    at = index($0, "=")
    if (at) given[substr($0, 1, at - 1)] = substr($0, at + 1)
    if (at) passed[substr($0, 1, at - 1)] = 1
    next
}
toupper($1) == "ARG" {
    gsub(/["']/, "", $2)
    at = index($2, "=")
    name = at ? substr($2, 1, at - 1) : $2
    if (at && !(name in passed)) given[name] = substr($2, at + 1)
}
# The image that reads the Dockerfile itself.
FNR == 1 && tolower($0) ~ /^# *syntax *=/ { look(substr($0, index($0, "=") + 1)) }
toupper($1) == "FROM" {
    field = 2
    while ($field ~ /^--/) field++
    look($field)
    if (toupper($(field + 1)) == "AS") stages[$(field + 2)] = 1
}
toupper($1) == "COPY" || toupper($1) == "RUN" {
    for (field = 2; field <= NF; field++) {
        if ($field ~ /^--from=/) look(substr($field, 8))
        else if ($field ~ /^--mount=/ && match($field, /from=[^,]+/)) look(substr($field, RSTART + 5, RLENGTH - 5))
    }
}
