// SPDX-License-Identifier: Apache-2.0
#include <gst/gst.h>

#include "element.hpp"

#define PACKAGE "enlarge"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, enlarge, "Larger and cleaner video by neural networks",
                  enlarge_gst::register_element, ENLARGE_VERSION, "Apache 2.0", "enlarge", "enlarge")
