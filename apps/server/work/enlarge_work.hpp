// SPDX-License-Identifier: Apache-2.0
// One piece of work, from file to file.
#pragma once

#include <functional>

#include "enlarge/cancel.hpp"
#include "work/messages.hpp"
#include "work/networks.hpp"

namespace serve {

using Tell = std::function<void(Said)>;

// A picture or a film, whichever it is. The result lies at work.output + "." + Said::extension, whole, or nowhere; of a
// film that was stopped the segments lie beside it, and the same call goes on from them.
enlarge::Result<Said> enlarge_work(const Work& work, Networks& networks, const enlarge::Cancellation& cancel,
                                   const Tell& tell);

}  // namespace serve
