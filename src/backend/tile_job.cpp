// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.hpp"

namespace enlarge {

Result<void> check(const TileJob& job, const ProgramInfo& info) {
    const Size size = job.in.size;
    ENSURE(job.in.format.channels == info.channels && job.out.format.channels == info.channels);
    ENSURE(size.width > 0 && size.height > 0);
    ENSURE(size.width % info.size_multiple == 0 && size.height % info.size_multiple == 0);
    ENSURE(job.core.x >= 0 && job.core.y >= 0 && job.core.width > 0 && job.core.height > 0);
    ENSURE(job.core.right() <= size.width && job.core.bottom() <= size.height);
    ENSURE(job.out.size.width == job.core.width * info.scale);
    ENSURE(job.out.size.height == job.core.height * info.scale);
    return {};
}

}  // namespace enlarge
