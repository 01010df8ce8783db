// SPDX-License-Identifier: Apache-2.0
// Writes samples/clip.mp4, the clip of the quick start: one second, with sound.
#include "media/clip_maker.hpp"

int main(int argc, char** argv) {
    enlarge::test::ClipSpec spec;
    spec.width = 160;
    spec.height = 120;
    spec.frames = 25;
    spec.tags = true;
    spec.primaries = spec.transfer = spec.matrix = 6;
    spec.range = 1;
    spec.codec_options = {{"preset", "slow"}, {"crf", "23"}};
    enlarge::test::make_clip(argc > 1 ? argv[1] : "clip.mp4", spec);
}
