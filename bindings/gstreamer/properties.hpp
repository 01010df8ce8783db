// SPDX-License-Identifier: Apache-2.0
// The element's properties, which are Settings.
#pragma once

#include <glib-object.h>

#include "upscaler.hpp"

namespace enlarge_gst {

void install_properties(GObjectClass* klass);
// `id` is one that install_properties() gave.
void set_property(Settings& settings, guint id, const GValue* value);
void get_property(const Settings& settings, guint id, GValue* value);

}  // namespace enlarge_gst
