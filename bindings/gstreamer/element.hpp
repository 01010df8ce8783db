// SPDX-License-Identifier: Apache-2.0
// The element `enlarge`: a GstVideoFilter, one frame at a time in the streaming thread.
#pragma once

#include <gst/gst.h>

namespace enlarge_gst {

// Makes the element known to a plugin, or with null to this process alone.
gboolean register_element(GstPlugin* plugin);

}  // namespace enlarge_gst
