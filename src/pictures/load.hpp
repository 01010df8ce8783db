// SPDX-License-Identifier: Apache-2.0
// Inside of Picture.
#pragma once

#include "enlarge/picture.hpp"
#include "pictures/boxes.hpp"
#include "pictures/input.hpp"
#include "pictures/side_work.hpp"
#include "pictures/vips.hpp"

namespace enlarge {
namespace pictures {

// What a file of this beginning is where it shows a picture, but in a form that is not read: "a Photoshop file"; else null.
const char* unread_picture(std::span<const std::byte> head);

}  // namespace pictures

struct Picture::State {
    State(std::string name_, pictures::Input input_, const ReadOptions& options_)
        : name(std::move(name_)), input(std::move(input_)), options(options_) {}

    std::string name;
    pictures::Input input;
    ReadOptions options;
    PictureInfo info;
    std::vector<Notice> notices;
    pictures::Blocks blocks;  // metadata that is carried over as it is in the file
    pictures::Resolution resolution;
    pictures::ImagePtr image;   // upright, in the format that rows() delivers, but for `shift`
    int shift = 0;              // 16-bit samples hold info.format.bits in their high end
    VipsFailOn fail_on = VIPS_FAIL_ON_ERROR;
    std::unique_ptr<RowSource> rows;
    bool decoded_whole = false;  // with the first row
    pictures::SideWork first_row;          // of such a picture, where somebody may want to stop it
};

}  // namespace enlarge
