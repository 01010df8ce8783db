// SPDX-License-Identifier: Apache-2.0
// Which sizes become which, in caps.
#pragma once

#include <gst/gst.h>

#include "upscaler.hpp"

namespace enlarge_gst {

// `caps` of one side of the element as the other side has them: all but width and height stays. `forwards`: of the
// frames that go in. What cannot be is left out.
GstCaps* caps_of_other_side(Upscaler& upscaler, GstCaps* caps, bool forwards);

}  // namespace enlarge_gst
