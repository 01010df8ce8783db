// SPDX-License-Identifier: Apache-2.0
// libvips, started once and tamed: no cache, no loaders that were not written for untrusted files, no output of its own.
#pragma once

#include <vips/vips.h>

#include <memory>
#include <string>

#include "base/result.hpp"
#include "enlarge/picture.hpp"

namespace enlarge::pictures {

// Starts libvips; Errc::internal when it cannot. Any thread, any number of times.
Result<void> start_vips();

struct Unref {
    void operator()(void* object) const { g_object_unref(object); }
};
using ImagePtr = std::unique_ptr<VipsImage, Unref>;
using SourcePtr = std::unique_ptr<VipsSource, Unref>;
using TargetPtr = std::unique_ptr<VipsTarget, Unref>;
using RegionPtr = std::unique_ptr<VipsRegion, Unref>;

// libvips' pending error as one line, at most 200 characters; clears it.
std::string vips_message();

// Interpretation, bands and format that libvips should see for our pixels.
VipsInterpretation interpretation_of(const PixelFormat& format);
VipsBandFormat band_format_of(const PixelFormat& format);

// Copies all metadata but what describes the old file only (loader, pages, interlacing, thumbnail) and what Blocks hold
// (EXIF, XMP, texts).
void copy_metadata(VipsImage* from, VipsImage* to);

}  // namespace enlarge::pictures
