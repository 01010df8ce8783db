#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the program as a user does and looks at what it leaves: files, exit codes, messages.
# Usage: cli_test.sh PROGRAM
set -u
program=$(realpath "$1")
tests=$(realpath "$(dirname "$0")/..")  # with the networks that other tests have
work=$(mktemp -d /tmp/enlarge-cli-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export XDG_DATA_HOME="$work/data" HOME="$work"
unset ENLARGE_OFFLINE
failures=0
checks=0

# check NAME CONDITION...: the condition must hold.
check() {
    local name=$1
    shift
    checks=$((checks + 1))
    if ! "$@"; then
        failures=$((failures + 1))
        echo "FAILED: $name"
        echo "  exit code $code; stdout: $(head -c 600 out); stderr: $(head -c 600 err)"
    fi
}
# skip NAME WHY: said aloud and counted; tests/expected_skips lists the reasons that are right.
skip() { echo "SKIPPED: $1: $2"; }
# run ARGS...: runs the program; sets `code`, writes out and err.
run() {
    "$program" "$@" >out 2>err </dev/null
    code=$?
}
exits() { [ "$code" -eq "$1" ]; }
says() { grep -q -e "$1" err; }
prints() { grep -q -e "$1" out; }
lacks() { ! grep -q -e "$1" out; }
one_line() { [ "$(wc -l <err)" -eq 1 ]; }
names_both() { says "$1" && says "$2"; }
# No byte that a terminal would act on.
is_plain() { ! LC_ALL=C grep -q -e "[$(printf '\001-\010\013-\037\177')]" "$1"; }
notes_have_codes() { grep -q '"event":"note"' "$1" && ! grep '"event":"note"' "$1" | grep -v -q '"code":"[a-z][a-z0-9-]*"'; }
is_size() { [ "$("$program" compare --json "$1" "$1" | grep -c '"equal":true')" = 1 ] && [ "$(header_size "$1")" = "$2" ]; }
# Width x height of a PNM file.
header_size() { head -c 40 "$1" | tr '\n' ' ' | awk '{print $2 "x" $3}'; }
is_png_of() { [ "$(head -c 24 "$1" | tail -c 8 | od -An -tu1 | awk '{print $3*256+$4 "x" $7*256+$8}')" = "$2" ]; }
nothing_left() { [ -z "$(find . -name '.enlarge-*' -o -name '*.tmp')" ]; }

# A colour gradient, 24 x 16, as PPM; grey and 16-bit versions.
make_ppm() {
    printf 'P6\n24 16\n255\n'
    local y x
    for ((y = 0; y < 16; y++)); do
        for ((x = 0; x < 24; x++)); do printf "\\x$(printf %02x $((x * 10)))\\x$(printf %02x $((y * 15)))\\x80"; done
    done
}
make_ppm >a.ppm
(printf 'P5\n8 8\n65535\n'; head -c 128 a.ppm) >grey16.pgm
cp a.ppm b.ppm

run
check "without arguments it says what to do" exits 2
run --version
check "--version works" exits 0
check "--version prints the version" prints '^enlarge [0-9]'
run --help
check "--help works" exits 0
for word in --scale --model --for --preview --try-models --denoise --blend --width --height --size --exact --tta --device --precision --tile --threads --memory --alpha --quality --force --quiet --json --recursive --no-provenance Examples: compare devices models completions 'Exit codes'; do
    check "--help tells of $word" prints "$word"
done
run a.ppm --no-such-option
check "an unknown option is a usage error" exits 2
check "and is named" says no-such-option
run a.ppm --modle swift-x2
check "a misspelt option" exits 2
check "gets a suggestion" says 'did you mean --model?'
run model list
check "a misspelt command" exits 2
check "gets one, too" says 'did you mean `enlarge models`'
run models lst
check "as do words of commands" says 'did you mean list?'
for wrong in "--scale nan" "--scale 0" "--scale 2,5" "--denoise nan" "--crf nan" "--width 0" "--width 1e3" "--threads -1" "--quality 101" "--frame-rate 0" "--timeout nan"; do
    run a.ppm $wrong
    check "$wrong is a usage error" exits 2
    check "$wrong: what was expected" says 'expected a .*number from .*, found'
done

run a.ppm
check "the default output is beside the input" test -f a_x4.ppm
check "and the exit code is 0" exits 0
check "a picture is enlarged four times" is_size a_x4.ppm 96x64
check "nothing is printed when no terminal is there" test ! -s err -a ! -s out
run a.ppm
check "an existing output is not overwritten" exits 5
check "and the sentence names it and --force" says 'a_x4.ppm: .*--force'
check "in one line" one_line
run a.ppm --force
check "--force overwrites" exits 0
run a.ppm -s 1.5
check "--scale 1.5" is_size a_x1.5.ppm 36x24
run a.ppm -s 8
check "--scale 8" is_size a_x8.ppm 192x128
run a.ppm --width 50 -o w.ppm
check "--width" is_size w.ppm 50x33
run a.ppm --height 50 -o h.ppm
check "--height" is_size h.ppm 75x50
run a.ppm --size 60x60 -o fit.ppm
check "--size fits" is_size fit.ppm 60x40
run a.ppm --size 60x60 --exact -o exact.ppm
check "--size --exact" is_size exact.ppm 60x60
run a.ppm forgotten.ppm
check "a forgotten -o is a usage error" exits 2
check "and is guessed" says 'did you mean -o forgotten.ppm'
cp a.ppm ./-dash.ppm
run -dash.ppm
check "a name that begins with a dash is no option" says './-dash.ppm'
run -- ./-dash.ppm
check "and works as ./-name" test -f ./-dash_x4.ppm
run ./-dash.ppm a_x4.ppm --force
check "two inputs that exist are two inputs" test -f ./a_x4_x4.ppm
run a.ppm --size 60 -o x.ppm
check "a size that is none is a usage error" exits 2
run a.ppm -s 2 --width 9 -o x.ppm
check "a scale and a width contradict each other" exits 2

for format in png jpg webp tif avif jxl; do
    run a.ppm -o "out.$format"
    check "writes $format" exits 0
    "$program" compare "out.$format" a_x4.ppm --json >cmp 2>&1
    case $format in png | tif) check "$format loses nothing" grep -q '"equal":true' cmp ;; esac
    check "$format shows the same picture" grep -q -E '"psnr_rgb":(null|[3-9][0-9]|1[0-9][0-9])' cmp
done
run a.ppm -o out.xyz
check "an unknown extension is refused" exits 2
check "with the list of known ones" says 'png'
run a.ppm -o out.gif
check "a format that is only read is refused" exits 7
run a.ppm -o none/out.png
check "a folder that is not there is found out" exits 3
check "and named" says 'there is no folder none'
run a.ppm --format jpgg
check "a format that is none" exits 2
check "gets the list of formats" says 'jpg.*png'
run missing.png
check "a missing input" exits 3
echo "no picture" >text.png
run text.png
check "a file that is no picture" exits 6
head -c 600 out.png >cut.png
run cut.png
check "a truncated picture is refused" exits 6
check "nothing is left of it" test ! -e cut_x4.png
printf 'P6\n1 1\n255\nabc' >one.ppm
run one.ppm
check "a picture of one pixel" is_size one_x4.ppm 4x4
(printf 'P5\n1 300\n255\n'; head -c 300 a.ppm) >tall.pgm
run tall.pgm -s 2
check "a picture one pixel wide" is_size tall_x2.pgm 2x600
(printf 'P5\n70000 1\n255\n'; head -c 70000 /dev/zero) >wide.pgm
run wide.pgm --force
check "a very wide picture" is_size wide_x4.pgm 280000x4
run wide.pgm -o wide.jpg
check "which JPEG cannot hold" exits 8
: >empty.png
run empty.png
check "an empty file" exits 6
check "is said to be empty" says 'is empty'
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked && chmod 555 locked
    run a.ppm -o locked/a.png
    check "a folder that cannot be written to" exits 4
else
    skip "a folder that cannot be written to" "root may write everything"
fi
run a.ppm -m swift-x5
check "a misspelt model" exits 3
check "gets a suggestion" says "swift-x4"
run a.ppm -s 1000 -o big.webp
check "a format's limit is known before work begins" exits 8
check "and nothing is made" test ! -e big.webp
check "and named" says 16383
run grey16.pgm -o deep.png -v
check "16-bit grey works" exits 0
check "and is named so" says 'grey, 16 bit'
run a.ppm --memory nonsense -o m.png
check "a size of memory that is none" exits 2
run a.ppm --denoise 0.5 -o d.webp
check "--denoise needs no download" exits 0
check "both networks are named in the picture" grep -q 'fine-x4 + 50% fine-wdn-x4' d.webp
run a.ppm --denoise 1 -o d1.ppm
run a.ppm -m fine-x4 -o d2.ppm
check "1 is the network itself" cmp -s d1.ppm d2.ppm
run a.ppm --denoise 0 -o d3.ppm -s 2
run a.ppm -m fine-wdn-x2 -o d4.ppm
check "0 is its partner" cmp -s d3.ppm d4.ppm
run a.ppm --denoise 0.5 -m swift-x4 -o d.png
check "--denoise needs a network with a partner" exits 2
check "and names those" says "fine-x4, fine-x2 and realesr-general-x4v3, not with 'swift-x4'"
run a.ppm --denoise 0.5 -m realesr-general-x4v3 -o d.png --offline
check "a public one that is not here" says 'realesr-general-x4v3 is not on this machine'
run a.ppm --denoise 0.5 --blend swift-x4:0.5 -o d.png
check "--denoise and --blend contradict each other" exits 2
run a.ppm --blend x -o d.png
check "--blend without a weight" exits 2

run a.ppm b.ppm missing.ppm -o many/ --json
check "several inputs: the others are done" test -f many/a_x4.ppm -a -f many/b_x4.ppm
check "a failure among several has its own code" exits 20
check "JSON: a start" prints '"event":"start","input":"a.ppm"'
check "JSON: a done with the size" prints '"event":"done".*"width":96,"height":64'
check "JSON: an error" prints '"event":"error","input":"missing.ppm","code":3'
mkdir -p tree/sub && cp a.ppm tree/ && cp b.ppm tree/sub/ && echo text >tree/notes.txt
run tree
check "a folder needs -r" exits 2
run -r tree -o tree-out
check "-r goes into subfolders" test -f tree-out/a_x4.ppm -a -f tree-out/sub/b_x4.ppm
check "and leaves other files alone" exits 0
run -r tree
run -r tree --force
check "earlier results are not enlarged again" test ! -e tree/a_x4_x4.ppm
run 'many/*_x4.ppm' -s 2 -o globbed
check "patterns the shell left alone are expanded" test -f globbed/a_x4_x2.ppm
# Pipes that have a name: a program's output, standard input as a file, a fifo.
run a.ppm -o whole.ppm
run <(cat a.ppm) -o pipe.ppm
check "<(program) is an input" cmp whole.ppm pipe.ppm
cat a.ppm | "$program" /dev/stdin -o pipe2.ppm 2>err
check "/dev/stdin is an input" cmp whole.ppm pipe2.ppm
mkfifo fifo.ppm
cat a.ppm >fifo.ppm &
run fifo.ppm -o pipe3.ppm
check "a fifo is an input" cmp whole.ppm pipe3.ppm
rm fifo.ppm
"$program" - -o - --format png <a.ppm >piped.png 2>err
check "from standard input to standard output" "$program" compare piped.png out.png
"$program" a.ppm -o - >piped.ppm 2>err
check "standard output takes the input's format" is_size piped.ppm 96x64

run a.ppm -o noprov.webp --no-provenance
check "--no-provenance" test "$code" -eq 0 -a -s noprov.webp
check "provenance is written" grep -q algorithmicallyEnhanced out.webp
check "with the model's name" grep -q fine-x4 out.webp
run a.ppm -s 2 -o twice.webp
check "up to twice the size the default is a network for that" grep -q fine-x2 twice.webp
run a.ppm --width 30 -o narrow.webp
check "also where the size is given otherwise" grep -q fine-x2 narrow.webp
run a.ppm --height 64 -o high.webp
check "and above it is the one for four times" grep -q fine-x4 high.webp
check "unless told not to" test -z "$(grep -l algorithmicallyEnhanced noprov.webp)"
run a.ppm --tile 8 --threads 1 -o t8.png
run a.ppm --tile 16 --threads 2 -o t16.png
run compare t8.png t16.png
check "tile size and threads do not change a bit" prints '^equal'
run a.ppm -o slow.png --tta
check "--tta works" exits 0

run compare a.ppm a_x4.ppm
check "pictures of different size cannot be compared" exits 2
run compare a.ppm b.ppm
check "equal pictures are equal" prints '^equal'
run compare out.jpg out.png -o side.png
check "compare prints PSNR" prints 'PSNR Y'
check "and draws" test -f side.png
run compare out.jpg out.png -o split.png --split
check "split" test -f split.png
run devices
check "devices lists the processor" prints '^cpu'
run models list
check "models lists what is built in" prints swift-x4
check "and what is the default for pictures" prints 'fine-x4 .*default for pictures)'
check "and for video" prints 'swift-x4 .*default for video)'
run models info swift-x4
check "models info tells the radius" prints 'receptive radius'
check "and whether tiles change the result" prints '^tiles  *same bits$'
run models info 4x-UltraSharp
check "models info of a public model that is not here fails" exits 3
check "but says what the catalogue knows" prints '^licence  *CC-BY-NC-SA-4.0'
run models info "$tests/golden/data/family_swinir.safetensors"
check "a family has sizes of its own" prints '^window  *[0-9]'
check "as many as it needs" prints '^heads  *[0-9]'
check "and is shown with what its sides must be" prints '^size multiple  *[1-9]'
run models info "$tests/golden/data/family_esc.safetensors"
check "also what only its operations say" prints '^window  *[0-9]'
run models info "$tests/golden/data/family_rcan.safetensors" --json
check "programs get pairs" prints '"facts":{"family":"RCAN",.*"groups":"[0-9]*",.*"receptive_radius":"the whole picture"'
check "and what all networks have" prints '"scale":[1-9].*"receptive_radius":-1,"tiles_exact":true'
run models search anime --scale 2 --licence commercial --json
check "the catalogue is searched by words, scale and licence" prints '"name":"2x-[^"]*".*"scale":2.*"commercial":true'
check "and nothing else is listed" lacks '"commercial":false'
run models search 'no-such-word'
check "a search that finds nothing says so" exits 3
run models search '' --json
check "the whole catalogue has at least 671 models" test "$(grep -c '"event":"model"' out)" -ge 671
run a.ppm -m realesrgan-x4plus -o by-name.png --offline
check "a public model that is not here is found whatever its case" says 'RealESRGAN_x4plus is not on this machine, and --offline forbids'
check "and not downloaded when offline" exits 11
check "whose size is of no interest then" one_line
ENLARGE_OFFLINE=1 run a.ppm -m realesrgan-x4plus -o by-name.png --yes
check "the same by the environment" exits 11
check "in the same words" says 'RealESRGAN_x4plus is not on this machine, and ENLARGE_OFFLINE forbids'
check "nothing is left behind" test -z "$(find "$XDG_DATA_HOME" -name '*.lock' 2>/dev/null)"
XDG_CONFIG_HOME=$PWD/config run models use realesrgan-x4plus
check "nor is it preferred before it is here" says 'say --yes to download it'
run a.ppm -m realesrgan-x4plus -o by-name.png </dev/null
check "nor without asking" says 'say --yes to download it'
check "after its size and licence are said" says '^RealESRGAN_x4plus: 67.0 MB, by .*, licence: BSD-3-Clause'
run a.ppm -m fine -o by-name.png
check "half a name suggests the whole" says "did you mean 'fine-x4'"
XDG_CONFIG_HOME=$PWD/config run models use SWIFT-X2
check "a model is preferred, whatever its case" exits 0
XDG_CONFIG_HOME=$PWD/config run models
check "and shown as yours" prints '^  swift-x2 .*yours'
check "first of all" prints '^Taken where none is named: swift-x2 '
XDG_CONFIG_HOME=$PWD/config run models list --json
check "to programs, too" prints '"name":"swift-x2".*"preferred":true'
XDG_CONFIG_HOME=$PWD/config run a.ppm --denoise 0.5 -o noisy.ppm
check "--denoise takes a network that can be told" says "fine-x4 is used, since --denoise does not work with swift-x2"
XDG_CONFIG_HOME=$PWD/config run a.ppm -o preferred.ppm
check "and taken where none is named" test "$(header_size preferred.ppm)" = 48x32
XDG_CONFIG_HOME=$PWD/config run models use --default
check "which is undone as easily" exits 0
check "no preference is left" test ! -e config/enlarge/model
run a.ppm --strength 0 -o plain.ppm --precision fp32
check "strength 0 gives the plain enlargement" exits 0
run a.ppm --strength 1.5 -o wrong.ppm
check "a strength above 1 is refused" exits 2
run a.ppm --for film -o film.ppm
check "--for chooses" exits 0
check "and says what, in one line" says '^enlarge: note: for film: fine-x4, .*--strength 0.7$'
check "no more" one_line
run a.ppm --for film --strength 1 -m swift-x4 --json -f -o film2.ppm
check "what is given wins" prints '"code":"chosen","message":"for film: swift-x4"'
run a.ppm -m swift-x4 -f -o film3.ppm
check "with the same pixels" cmp -s film2.ppm film3.ppm
run a.ppm --for film -f -o quiet.ppm --quiet
check "--quiet says nothing" test ! -s err
run a.ppm --for text -f -o text.ppm -s 2
check "text is not invented" says 'for text: faithful-x2'
run a.ppm --for drawing --denoise 0.2 -f -o drawing.ppm
check "a drawing is not given to the network for photographs" exits 2
check "one of the two is wrong" says '--denoise does not work with drawing-x4, which --for drawing takes; leave one'
run a.ppm --for film --denoise 0.5 -f -o drawing.ppm
check "a film can be told" says 'for film: fine-x4, --denoise 0.5, --strength 0.7$'
run a.ppm --for '' -f -o drawing.ppm
check "--for nothing" exits 2
run a.ppm -v -f -o said.ppm
check "-v says which network" says '^network: fine-x4$'
run a.ppm --json -f -o said.ppm --denoise 0.5 --strength 0.8
check "--json, too" prints '"event":"done".*"model":"fine-x4 + 50% fine-wdn-x4","strength":0.8'
run a.ppm --for anime -f -o anime.ppm
check "a word of others is a usage error" exits 2
check "that names ours" says "'anime' is called drawing here; there are photo, drawing, text, film, tape and phone"
run a.ppm --for foto -f -o anime.ppm
check "a word of nobody's" says 'did you mean photo?'
check "makes nothing" test ! -e anime.ppm

# A look before the work.
run a.ppm -o whole.ppm -f
run a.ppm --preview 5,4,10,7
check "a part is previewed" is_size a_x4_preview.ppm 40x28
part_of() {  # FILE X Y: the rows of a part of the 96 pixels wide whole.ppm
    tail -c +14 whole.ppm | head -c 18432 >whole.raw && tail -c +14 "$1" >part.raw
    for ((v = 0; v < 28; v++)); do tail -c +$(((($3 + v) * 96 + $2) * 3 + 1)) whole.raw | head -c 120; done | cmp -s - part.raw
}
check "with the pixels of the whole" part_of a_x4_preview.ppm 20 16
run a.ppm --preview 20,10,100,100 -o corner.ppm -s 2
check "what is beyond the edge is left out" is_size corner.ppm 8x12
run a.ppm --preview 24,0,1,1 -o corner.ppm -f
check "nothing but that" exits 2
check "is said with the size" says 'outside of the picture, which has 24x16'
run a.ppm --preview 1,2,3
check "a part that is none" says 'should be X,Y,WIDTH,HEIGHT'
run a.ppm --try-models
check "a sheet of all models" exits 0
check "is a picture" "$program" compare a_models.png a_models.png
run a.ppm --try-models --json
check "that is not overwritten" exits 5
run a.ppm --try-models --crop 2,2,8,8 -f --json -s 2
check "of a part that was chosen" prints '"event":"done".*"x":2,"y":2'
first='{"name":"Lanczos","seconds":[0-9.e-]*,"whole_seconds":[0-9.e-]*}'
check "with names and times" prints "\"models\":\[$first,{\"name\":\"drawing-x2\""
run a.ppm --try-models --crop 2,2,8,8 -f --json -s 2 -m "$tests/golden/data/compact_x2.safetensors" --strength 0.5
check "and the one that is named" prints '{"name":"Lanczos"[^}]*},{"name":"compact_x2, --strength 0.5"'
run a.ppm --try-models --preview 1,2,3,4
check "not with --preview" exits 2
run a.ppm b.ppm --try-models -o s.png
check "one picture at a time" exits 2
run a.ppm --crop 2,2,8,8
check "--crop needs --try-models" exits 2

run models pull no-such-model
check "pulling an unknown model" exits 3

# Networks of one's own, in a folder.
mkdir -p mine/sub
cp "$tests/golden/data/compact_x2.safetensors" mine/a.safetensors
cp mine/a.safetensors mine/sub/a.safetensors
cp mine/a.safetensors mine/realesr-general-x4v3.safetensors
cp mine/a.safetensors mine/fine-x4.safetensors
cp mine/a.safetensors mine/Upper.SAFETENSORS
cp mine/a.safetensors mine/.hidden.safetensors
echo '<!DOCTYPE html><html>404</html>' >mine/page.pth
: >mine/empty.pth
head -c 3000 mine/a.safetensors >mine/cut.safetensors
export ENLARGE_MODELS=$PWD/mine
run models list --names
own=$("$program" models list --names | grep -v -e '^[a-z-]*-x[24]$' | sort | tr '\n' ' ')
check "names are of all files, each once, unread" test "$own" = \
    "Upper a.safetensors cut empty fine-x4.safetensors page realesr-general-x4v3 sub/a.safetensors "
for name in Upper a.safetensors fine-x4.safetensors realesr-general-x4v3 sub/a.safetensors; do
    run models info "$name"
    check "$name is a name that works" prints "^file .*mine/$name"
done
run a.ppm -m a -o own.ppm
check "a name of several files is a wrong option" exits 2
check "with the names that tell them apart" says '"a" may mean a.safetensors or sub/a.safetensors; write one of them'
run a.ppm -m realesr-general-x4v3 -o own.ppm --json
check "a file of one's own is taken by the name of a public model" exits 0
check "which is said" prints '"code":"not-the-public-model"'
for command in "models info" "models check" "export -f -o own.onnx" "bench --size 32x32 --runs 1 -m"; do
    run $command realesr-general-x4v3
    check "and by $command" says '^enlarge: note: .*which is not the public model realesr-general-x4v3'
done
run models list --json
check "it is one's own, with what it is" \
    prints '"name":"realesr-general-x4v3","state":"own",.*"runs":true,"family":"Compact","scale":2,.*"namesake"'
check "the public one is still to be had" prints '"name":"realesr-general-x4v3","state":"available"'
check "what cannot be used has a reason" prints '"name":"page",.*"runs":false,"reason":"an HTML page'
check "so has an empty file" prints '"name":"empty",.*"runs":false,"reason":"an empty file'
check "and a truncated one" prints '"name":"cut",.*"runs":false,"reason"'
check "no name is there twice" test -z "$(grep -v available out | grep -o '"name":"[^"]*"' | sort | uniq -d)"
run models list
check "people see why, too" prints '^  page .*cannot be used: an HTML page, not weights'
check "one network is the default" test "$(grep -c '(the default for pictures)' out)" = 1
check "a built-in network's name means that one" prints '^  fine-x4.safetensors .*-m fine-x4 means the built-in one'
check "a public model's name is no public model" prints 'mine/realesr-general-x4v3.safetensors; not the public model'
XDG_CONFIG_HOME=$PWD/config run models use sub/a
check "a name that tells is kept" prints '^sub/a.safetensors$'
XDG_CONFIG_HOME=$PWD/config run models list
check "and shown as yours" prints '^  sub/a.safetensors .*yours'
XDG_CONFIG_HOME=$PWD/config run models use --default
ENLARGE_MODELS=$PWD/gone:$PWD/a.ppm run models list
check "a folder that is not there is said" says '^enlarge: note: .*gone, which ENLARGE_MODELS names, is not there'
check "so is one that is none" says 'a.ppm, which ENLARGE_MODELS names, is no folder'
ENLARGE_MODELS=$PWD/gone run a.ppm -m swift-x2 -o own2.ppm --json
check "to programs, too" prints '"code":"models-folder-missing"'
unset ENLARGE_MODELS
run models pull fine-x4
check "a built-in network needs no download" prints 'fine-x4 is built in'
check "which is no error" exits 0
run models pull FINE-X4
check "nor does its name in capitals" prints '^fine-x4 is built in'
for scale in 0 -1; do
    run models search --scale $scale
    check "models search --scale $scale is a wrong option" exits 2
    check "and says what is right" says 'expected a whole number from 1 to 64'
done
"$program" models search '' 2>err | head -1 >out
check "a reader that has seen enough" test "${PIPESTATUS[0]}" = 0
check "is no error" test ! -s err
by_hand=$("$program" models search '' | grep -m1 'by hand from' | awk '{print $1}')
ENLARGE_OFFLINE=1 run models pull "$by_hand"
check "a model that no program can fetch is fetched by hand" says 'no program can download .*a person finds it at'

# What computes a network here against the plain reference.
run models check swift-x2
check "a built-in network is checked" exits 0
check "its floats are near the reference's" prints '^floats .*fp32: [0-9.e-]* off at most, PSNR [0-9.]* dB (0.0001 allowed)$'
check "its 8 bits, too" prints '^8 bits .* of 255 off at most.* allowed'
check "that is promised" prints '^verdict    within what is promised$'
run models check swift-x2 --device reference
check "the reference has nothing to be compared with" prints 'nothing to compare'
check "its tiles are looked at instead" prints '^tiles .*: the same bits$'
for file in compact_grey_x2.pth compact_x3.param rrdb_real_x1.safetensors rrdb_bsrgan_x2.pth span_x2.onnx family_swinir.safetensors \
    family_rcan.safetensors family_realplksr_dysample.safetensors family_realcugan.safetensors family_artcnn.safetensors; do
    run models check "$tests/golden/data/$file" --picture a.ppm --json
    check "$file is checked on a picture" exits 0
    check "that says so" prints '^{"event":"check","model":"'"$file"'".*"width":[1-9][0-9]*,"height":[1-9].*"kept":true}$'
    check "in one object" test "$(wc -l <out)" = 1
done
shifted=$tests/media/data/shifted-x1.safetensors
run models check "$shifted" --precision fp32
check "a network with large numbers inside is right in fp32" exits 0
isa=${ENLARGE_ISA:-}  # AMX makes int16 of terms, which bear this network
"$program" devices | grep -qw amx && isa=avx512_vnni
ENLARGE_ISA=$isa run models check "$shifted" --precision int16
check "and not in integers of 16 bits" exits 12
check "which is said" prints '^verdict    NOT within what is promised$'
ENLARGE_ISA=$isa run models check "$shifted" --precision int16 --json
check "to programs, too" prints '"precision":"int16","largest":[1-9].*"kept":false}$'
run models check no-such-model
check "an unknown model cannot be checked" exits 3
run models check swift-x2 --picture no-such-picture.png
check "nor one on a picture that is not there" exits 3
check "which is named" says 'no-such-picture.png'
run export swift-x2 --onnx -o net.onnx
check "export writes ONNX" exits 0
check "and says what" says net.onnx
run models info net.onnx
check "which is read again as the same network" prints 'Compact'
check "of the same scale" prints '^scale  *2$'
run a.ppm -m swift-x2 --precision fp32 -o by-model.ppm
run a.ppm -m net.onnx --precision fp32 -o by-onnx.ppm
run compare by-model.ppm by-onnx.ppm
check "and gives the same pictures" prints '^equal'
run export swift-x2 -o net.onnx
check "export does not overwrite" exits 5
run export swift-x2 --half --force -o net.onnx --json
check "unless told to; in half precision" prints '"event":"export".*"half":true'
run export no-such-model
check "export of an unknown model" exits 3
run completions bash
cp out completions.bash
completed=$(bash -c 'source ./completions.bash; enlarge() { "'"$program"'" "$@"; }; COMP_WORDS=(enlarge --mod); COMP_CWORD=1; _enlarge; echo "${COMPREPLY[*]}"
    COMP_WORDS=(enlarge models pu); COMP_CWORD=2; _enlarge; echo "${COMPREPLY[*]}"; COMP_WORDS=(enlarge --model swift-x); COMP_CWORD=2; _enlarge; echo "${COMPREPLY[*]}"')
check "bash completes options, commands and models" test "$(echo $completed)" = "--model pull swift-x2 swift-x4"
for shell in bash zsh fish; do
    run completions $shell
    check "completions for $shell" prints scale
    if command -v $shell >/dev/null; then check "$shell can read them" $shell -n out
    else skip "$shell can read the completions" "$shell is not installed"; fi
done
run completions man
check "the manual page" prints '^.TH ENLARGE 1'
run completions tcsh
check "no completions for other shells" exits 2

# What automatic precision measured is kept, and used the next time.
export ENLARGE_CACHE="$work/cache"
run a.ppm -m swift-x2 --device cpu -o measured.ppm -v
check "the default precision is measured" exits 0
check "and that is said" says tried
check "and kept" test -n "$(find cache -name '*.precision')"
check "by each network's numbers" test "$(find cache -type f | wc -l)" = 1
run a.ppm -m swift-x2 --device cpu -o again.ppm -v
check "the second time" exits 0
check "it is as measured before" sh -c "! grep -q tried err"
check "with the same pixels" cmp -s measured.ppm again.ppm
for file in cache/*.precision; do echo damaged >"$file"; done
run a.ppm -m swift-x2 --device cpu -f -o again.ppm
check "damage to it" exits 0
check "is no harm" cmp -s measured.ppm again.ppm
ENLARGE_CACHE= run a.ppm -m swift-x2 --device cpu -f -o again.ppm -v
check "nothing is kept where that is not wanted" sh -c "grep -q tried err"

# Several inputs never meet in one output.
mkdir two p q && cp a.ppm two/ && cp out.png two/a.png && cp a.ppm p/ && cp b.ppm q/a.ppm
run -r two -o two-out --format png --force
check "two inputs that would give one output are refused" exits 2
check "naming both" names_both two/a.png two/a.ppm
check "before any work" test ! -e two-out
run -r two -o two-out --force --json
check "where their formats differ they are not" test -f two-out/a_x4.ppm -a -f two-out/a_x4.png
run -r p q -o pq --force
check "nor do two folders" exits 2
check "whose files are named" names_both p/a.ppm q/a.ppm
run p/a.ppm ./p/../q/a.ppm -o ./pq/ --force
check "nor files by other paths" exits 2
check "nothing is made" test ! -e pq
run p/a.ppm p/a.ppm -o twice/
check "a file that is named twice is done once" test "$code" -eq 0 -a -f twice/a_x4.ppm
cp a_x4.ppm p/ && cp a_x4.ppm kept.ppm
run p/a.ppm p/a_x4.ppm --force
check "an output that is an input of the same run" exits 2
check "is named" says 'p/a_x4.ppm, which is itself an input'
check "and not touched" cmp -s p/a_x4.ppm kept.ppm

# Results do not become inputs.
mkdir -p pics/sub && cp a.ppm pics/ && cp b.ppm pics/sub/
run -r pics -o pics/out
check "results may go into the folder itself" test -f pics/out/a_x4.ppm -a -f pics/out/sub/b_x4.ppm
run -r pics -o ./pics/../pics/out/ --force --json
check "the second time too" exits 0
check "they are not enlarged again" test "$(find pics -name '*x4_x4*' -o -path '*out/out*' | wc -l)" -eq 0
check "which is said" prints '"code":"results-left-out".*pics/out is left out'
run -r pics/sub -o pics/sub
run -r pics/sub -o pics/sub/ --force
check "results beside their inputs neither" test ! -e pics/sub/b_x4_x4.ppm
check "which is said, too" says 'b_x4.ppm is left out'
run -r pics/sub --scale 3
check "of another size" test -f pics/sub/b_x3.ppm
run -r pics/sub --force
run -r pics/sub --scale 3 --force
check "nor are those of another size" test -z "$(find pics/sub -name '*_x*_x*')"
cp pics/sub/b.ppm pics/sub/page_x9.ppm
run -r pics/sub --force
check "a name that only looks like one is an input" test -f pics/sub/page_x9_x4.ppm
run -r pics -o pics/out --force --json
check "every note has a code" notes_have_codes out
rm -rf pics/out
run -r pics -o pics/out --container mkv
check "pictures among films stay pictures" test -f pics/out/a_x4.ppm
run a.ppm -o ""
check "an empty name is no name" exits 2
run <(cat a.ppm) -o piped.ppm --force
check "a pipe with a name is read" cmp -s piped.ppm kept.ppm

# At a terminal a better model is named, once a day.
if command -v script >/dev/null; then
    terminal() { ENLARGE_CACHE="$work/said" script -qec "'$program' $*" /dev/null >out 2>&1 </dev/null; code=$?; }
    terminal a.ppm -f
    check "at a terminal" exits 0
    check "a better model is named" prints '^finer.*: -m realesr-general-x4v3'
    terminal a.ppm -f
    check "once a day" lacks '^finer'
    rm -r said
    for quiet in --quiet --json "-m swift-x4" "--for photo" --offline; do
        terminal a.ppm -f $quiet
        check "with $quiet it is not" lacks '^finer'
    done
else
    skip "a better model is named" "script is not installed"
fi

# A bare word is a network's name, whatever lies in the folder.
echo "not a network" >swift-x4
run a.ppm -f
check "a file does not replace a built-in network" test "$code" -eq 0
check "whose result it is" cmp -s a_x4.ppm kept.ppm
rm swift-x4
run export swift-x2 --force -o net.onnx
cp net.onnx mynet
run a.ppm -m mynet -f -o m.ppm
check "a file without an ending is no name" exits 3
check "and told how to say it" says './mynet'
run a.ppm -m ./mynet -f -o m.ppm
check "with a folder it is a file" exits 0
run --json a.ppm -m no-such-model
check "JSON: an error before any input" prints '"event":"error","input":"","code":3'

# Messages do not get into pictures when standard streams are closed.
"$program" a.ppm -v -f -o closed.ppm <&- 2>&- >out
check "standard input and error closed" cmp -s closed.ppm kept.ppm
"$program" a.ppm --json -v -f -o closed.ppm <&- >&- 2>err
check "standard input and output closed" cmp -s closed.ppm kept.ppm
"$program" a.ppm -v -f -o closed.ppm <&- >&- 2>&-
check "all closed" cmp -s closed.ppm kept.ppm
"$program" a.ppm -o - --format ppm <&- >&- 2>err
code=$?
check "a picture to a closed output is an error" exits 4

# A file larger than allowed, of pictures, on standard output and of video.
(for ((i = 0; i < 12; i++)); do
    [ $i = 0 ] && printf 'YUV4MPEG2 W32 H32 F25:1 Ip A1:1 C420jpeg\n'
    printf 'FRAME\n'
    head -c 1536 a_x4.ppm
done) >clip.y4m
run clip.y4m -m swift-x2 -o clip.mkv --json
check "a clip" exits 0
check "every note on it has a code" notes_have_codes out
run clip.y4m --preview 4,4,8,8
check "one frame of a clip is previewed" exits 0
check "as a picture" is_png_of clip_x4_preview.png 32x32
run clip.y4m --preview 4,4,8,8 --from 0.1 --to 0.3 -s 2 -o part.y4m
check "or some seconds of it" exits 0
check "of that part" grep -q -a 'YUV4MPEG2 W16 H16' part.y4m
run clip.y4m --preview 4,4,8,8 --from 0.1 --to 0.3 -s 2 -o part.mkv --json
check "whose size is told" prints '"event":"done".*"width":16,"height":16.*"encoder":"[^"]*16x16'
check "with the network" prints '"event":"done".*"model":"swift-x2","strength":1'
run clip.y4m --preview 4,4,8,8 --width 64 -o wide.png
check "also to a width" is_png_of wide.png 16x16
run clip.y4m --preview 26,28,20,20 -o corner.png
check "cut where the frame ends" is_png_of corner.png 24x16
run clip.y4m --preview 32,4,20,20 -o corner.png -f
check "but not beside it" says 'outside of the picture, which has 32x32 pixels'
run clip.y4m --preview 11,13,2,2 --from 0 --to 1 -s 3 -o odd.mkv --json
check "a chroma sample is not cut" prints '"code":"part-grown","message":"the part becomes 8x8 at 32,38'
check "which is what is written" prints '"event":"done".*"width":8,"height":8'
run clip.y4m --preview 11,13,3,3 --from 0 --to 1 -s 3 -o odd444.mkv --json
check "odd sizes keep all their colours and places" prints '"width":9,"height":9.*"encoder":"[^"]*9x9 yuv444p'
run clip.y4m --denoise 0.5 --json -o noisy.mkv
check "for --denoise video takes the network of pictures" prints '"code":"chosen","message":"fine-x4 is used, since --denoise does not work with swift-x4"'
run clip.y4m --for tape --json -o tape.mkv
run clip.y4m --for film --json -o grain.mkv
check "what video does not have is named" prints '; -m fine-x4 --denoise 0.25 keeps more of the grain and is slower"'
run clip.y4m --for tape --json -o tape.mkv -f
check "of a tape every frame is deinterlaced" prints '"message":"for tape: swift-x4, every frame deinterlaced"'
limited() {
    (ulimit -f 8; exec "$program" "$@" 2>err >limited-out </dev/null)
    code=$?
}
limited a.ppm -s 8 -o large.ppm
check "a picture larger than allowed is an error" exits 4
check "that says why" says 'ulimit -f'
check "and leaves nothing" test ! -e large.ppm
limited a.ppm -s 8 -o - --format ppm
check "on standard output" exits 4
check "that says why, too" says 'ulimit -f'
limited clip.y4m -m swift-x2 -o large.y4m
check "a video larger than allowed" exits 4
check "says why" says 'ulimit -f\|too large'

# The folder for temporary files is not there.
export TMPDIR="$work/nope"
"$program" a.ppm -o - --format png --json >piped.png 2>err
code=$?
check "TMPDIR that is not there" exits 0
check "does no harm" "$program" compare piped.png out.png
check "and is said" says '"code":"tmpdir-replaced"'
unset TMPDIR

# What comes from files does not reach the terminal as it is.
nasty=$(printf 'a\033[2J\302\233\342\200\256b.png')
cp text.png "$nasty"
run "$nasty"
check "a name that would clear the screen" exits 6
check "is shown, not obeyed" says 'a\\x1b\[2J\\u{9b}\\u{202e}b.png'
check "nothing else gets through" is_plain err
mkdir -p data/enlarge/models
cp net.onnx "data/enlarge/models/$(printf 'n\033]0;x\007').onnx"
run models list
check "stored networks are listed" prints 'n.x1b'
check "whatever their names" is_plain out
rm data/enlarge/models/*

# Names of stored networks and files are data to the completions.
cp net.onnx 'data/enlarge/models/$(touch ran1).onnx'
cp net.onnx 'data/enlarge/models/`touch ran2`.onnx'
cp net.onnx 'data/enlarge/models/my net*.onnx'
: >'$(touch ran3).png'
completed=$(bash -c 'source ./completions.bash; enlarge() { "'"$program"'" "$@"; }
    COMP_WORDS=(enlarge --model ""); COMP_CWORD=2; _enlarge; printf "<%s>" "${COMPREPLY[@]}"
    COMP_WORDS=(enlarge ""); COMP_CWORD=1; _enlarge; printf "<%s>" "${COMPREPLY[@]}"')
check "completion runs no names" test ! -e ran1 -a ! -e ran2 -a ! -e ran3
for name in '<$(touch ran1)>' '<`touch ran2`>' '<my net*>' '<$(touch ran3).png>' '<swift-x4>' '<--scale>'; do
    check "it offers $name" test "${completed#*"$name"}" != "$completed"
done
rm -r data/enlarge

run bench -m swift-x2 --size 32x32 --runs 1 --threads 1 --json
check "bench tells how long reading the network took" prints '"open_ms":[0-9]'

run bench --models --size 32x32,48x16 --runs 1 --threads 1
check "bench shows every built-in network" test "$(grep -c '^| [a-z-]*-x[24] | [0-9]* | [0-9.]* m*s | [0-9.]* m*s | cpu' out)" = "$("$program" models list --json | grep -c 'built in')"
check "as a table" prints '^| model | multiplications per input pixel | 32x32 | 48x16 | path |$'

# Ctrl-C: a picture that takes long, stopped in the middle.
(printf 'P6\n1600 1600\n255\n'; head -c 7680000 /dev/urandom) >noise.ppm
"$program" noise.ppm -o stopped.png --device reference >out 2>err &
pid=$!
sleep 2
kill -INT $pid
wait $pid
code=$?
check "an interrupted run says so by its code" exits 130
check "and leaves no half file" test ! -e stopped.png
check "nor a temporary one" nothing_left

# While libwebp encodes, which takes seconds and one thread: the network, or here the filter, has done its part.
echo old >stopped.webp
"$program" noise.ppm -o stopped.webp --force --strength 0 --size 6000x6000 -v >out 2>err &
pid=$!
while ! grep -q "encoding what is left" err && kill -0 $pid 2>/dev/null; do sleep 0.02; done
sleep 0.1
kill -INT $pid
wait $pid
code=$?
check "a run that is interrupted while it encodes says so by its code" exits 130
check "and by its words" says "interrupted; nothing half-written"
check "and leaves the old file" test "$(cat stopped.webp)" = old
check "and no other" nothing_left
"$program" compare noise.ppm noise.ppm -o stopped.webp -f >out 2>err &
pid=$!
sleep 0.8
kill -INT $pid
wait $pid
code=$?
check "an interrupted comparison says so by its code" exits 130
check "and leaves the old file" test "$(cat stopped.webp)" = old
check "and no other" nothing_left

if [ -w /dev/full ]; then
    "$program" a.ppm -o - --format png >/dev/full 2>err
    code=$?
    check "a full disk is an error" exits 4
    check "and is said" says 'no space left'
    "$program" models list >/dev/full 2>err
    code=$?
    check "a full disk is an error of every command" exits 4
else
    skip "a full disk is an error" "no /dev/full here"
fi
echo "$checks checks, $failures failures"
[ "$failures" -eq 0 ]
