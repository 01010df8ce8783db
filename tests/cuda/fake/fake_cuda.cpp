// SPDX-License-Identifier: Apache-2.0
#include "fake_cuda.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace {

namespace emu = enlarge::cuda::emu;

constexpr int kInvalidValue = 1, kOutOfMemory = 2, kInvalidContext = 201, kInvalidHandle = 400, kNotFound = 500, kLaunchFailed = 719;
constexpr std::size_t kGuard = 512;

// Programs that are not tests of ours set it up by environment variables.
FakeCuda from_environment() {
    FakeCuda c;
    const auto number = [](const char* name, int otherwise) {
        const char* text = std::getenv(name);
        return text ? std::atoi(text) : otherwise;
    };
    c.devices = number("FAKE_CUDA_DEVICES", c.devices);
    c.major = number("FAKE_CUDA_ARCHITECTURE", c.major * 10) / 10;
    c.minor = number("FAKE_CUDA_ARCHITECTURE", c.minor) % 10;
    c.version = number("FAKE_CUDA_VERSION", c.version);
    c.module_result = number("FAKE_CUDA_MODULE_RESULT", 0);
    c.lazy = number("FAKE_CUDA_LAZY", 1) != 0;
    return c;
}
FakeCuda control = from_environment();
std::recursive_mutex mutex;

struct Context {
    int device = 0;
};
struct Event {
    std::int64_t recorded = 0, reached = 0;  // versions
    std::chrono::steady_clock::time_point when;
};
struct Operation {
    std::function<void()> work;
    Event* wait = nullptr;  // blocked until this event reaches `version`
    std::int64_t version = 0;
};
struct Stream {
    Context* context = nullptr;
    std::deque<Operation> queue;
    bool capturing = false;
    std::vector<Operation> captured;
};
struct Function {
    const emu::Kernel* kernel = nullptr;
    int shared_limit = 48 * 1024;
    bool loaded = false;  // kernels are loaded when first launched
};
struct Graph {
    std::vector<Operation> operations;
};
struct Allocation {
    std::size_t bytes = 0;
    int device = 0;
    bool host = false;
    std::unique_ptr<unsigned char[]> storage;
};

std::map<std::uint64_t, Allocation> allocations;
std::set<Stream*> streams;
Context contexts[8];
// The default stream of each device. Streams made non-blocking, as all of ours are, do not wait for it.
Stream default_streams[8];
thread_local std::vector<Context*> stack;
bool failed = false;
std::uint64_t random_state = 1;

std::uint32_t next_random() {
    random_state = random_state * 6364136223846793005ull + control.seed + 1442695040888963407ull;
    return static_cast<std::uint32_t>(random_state >> 33);
}

void complain(const std::string& what) {
    if (!control.error[0]) std::snprintf(control.error, sizeof control.error, "%s", what.c_str());
}

// Runs the head of a stream if it may run.
bool step(Stream& s) {
    if (s.queue.empty()) return false;
    Operation& head = s.queue.front();
    if (head.wait && head.wait->reached < head.version) return false;
    const auto work = std::move(head.work);
    s.queue.pop_front();
    if (work) work();
    return true;
}

// Works until `done`: on streams picked at random.
template <class Done>
void work_until(Done done) {
    Stream* last = nullptr;
    while (!done()) {
        std::vector<Stream*> ready;
        for (Stream* s : streams)
            if (!s->queue.empty() && !(s->queue.front().wait && s->queue.front().wait->reached < s->queue.front().version))
                ready.push_back(s);
        if (ready.empty()) {
            complain("streams wait for each other for ever");
            return;
        }
        Stream* s = ready[next_random() % ready.size()];
        if (last && last != s && !last->queue.empty()) ++control.interleavings;
        last = s;
        step(*s);
    }
}
void work_all() {
    work_until([] {
        for (const Stream* s : streams)
            if (!s->queue.empty()) return false;
        return true;
    });
}

// Null is the default stream of the current context.
Stream* real(Stream* s) {
    if (s || stack.empty()) return s;
    Stream& d = default_streams[stack.back()->device];
    d.context = stack.back();
    streams.insert(&d);
    return &d;
}

int put(Stream* s, Operation operation) {
    s = real(s);
    if (stack.empty()) return kInvalidContext;
    if (!streams.contains(s)) return kInvalidHandle;
    if (s->context != stack.back()) return kInvalidHandle;
    if (s->capturing) {
        s->captured.push_back(std::move(operation));
        return 0;
    }
    s->queue.push_back(std::move(operation));
    if (!control.lazy) work_all();
    return 0;
}

// Whether [address, address + bytes) lies in one live allocation of the wanted kind.
bool inside(std::uint64_t address, std::size_t bytes, bool host) {
    auto it = allocations.upper_bound(address);
    if (it == allocations.begin()) return false;
    --it;
    return it->second.host == host && address + bytes <= it->first + it->second.bytes;
}

std::uint64_t add_allocation(std::size_t bytes, bool host) {
    Allocation a;
    a.bytes = bytes;
    a.host = host;
    a.device = stack.back()->device;
    a.storage = std::make_unique<unsigned char[]>(bytes + 2 * kGuard + 256);
    std::memset(a.storage.get(), 0xFF, bytes + 2 * kGuard + 256);
    const std::uint64_t at = (reinterpret_cast<std::uint64_t>(a.storage.get()) + kGuard + 255) & ~std::uint64_t{255};
    allocations[at] = std::move(a);
    return at;
}

int remove_allocation(std::uint64_t address, bool host) {
    const auto it = allocations.find(address);
    if (it == allocations.end() || it->second.host != host) return kInvalidValue;
    work_all();  // as the driver does
    const auto* p = reinterpret_cast<const unsigned char*>(address);
    for (std::size_t i = 0; i < kGuard / 2; ++i)
        if (p[it->second.bytes + i] != 0xFF || p[-1 - static_cast<std::ptrdiff_t>(i)] != 0xFF) {
            complain(host ? "a write beside pinned memory" : "a write beside device memory");
            break;
        }
    if (!host) control.bytes_in_use -= static_cast<std::int64_t>(it->second.bytes);
    allocations.erase(it);
    return 0;
}

int most_shared() {
    const int architecture = control.major * 10 + control.minor;
    if (architecture == 75) return 64 * 1024;
    if (architecture == 80 || architecture == 87) return 163 * 1024;
    if (architecture == 90 || architecture == 100) return 227 * 1024;
    return 99 * 1024;
}

bool exists(std::string_view kernel) {
    if (kernel.find("hopper") != std::string_view::npos) return control.major == 9;
    if (kernel == "conv64_f16acc") return control.major != 10;
    return true;
}

using Lock = std::lock_guard<std::recursive_mutex>;

}  // namespace

extern "C" {

FakeCuda* fake_cuda() { return &control; }

int cuInit(unsigned) {
    failed = false;
    return control.init_result;
}
int cuDriverGetVersion(int* v) {
    *v = control.version;
    return 0;
}
int cuDeviceGetCount(int* n) {
    *n = control.devices;
    return 0;
}
int cuDeviceGet(int* device, int ordinal) {
    *device = ordinal;
    return ordinal < control.devices ? 0 : 101;
}
int cuDeviceGetName(char* name, int length, int) {
    std::snprintf(name, static_cast<std::size_t>(length), "%s", control.name);
    return 0;
}
int cuDeviceTotalMem_v2(std::size_t* bytes, int) {
    *bytes = control.memory;
    return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
    switch (attribute) {
        case 14: *value = 512; return 0;  // alignment of textures
        case 16: *value = control.multiprocessors; return 0;
        case 75: *value = control.major; return 0;
        case 76: *value = control.minor; return 0;
        default: return kInvalidValue;
    }
}
int cuDevicePrimaryCtxRetain(Context** context, int device) {
    if (device == control.fails_device) return 46;  // in exclusive use by somebody else
    ++control.opened;
    contexts[device].device = device;
    *context = &contexts[device];
    return 0;
}
int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
int cuDevicePrimaryCtxSetFlags_v2(int, unsigned flags) {
    control.context_flags = flags;
    return 0;
}
int cuCtxPushCurrent_v2(Context* context) {
    stack.push_back(context);
    return 0;
}
int cuCtxPopCurrent_v2(Context** context) {
    if (stack.empty()) return kInvalidContext;
    *context = stack.back();
    stack.pop_back();
    return 0;
}
int cuModuleLoadData(void** module, const void* image) {
    if (control.module_result) return control.module_result;
    if (!image || stack.empty()) return kInvalidContext;
    *module = &control;
    return 0;
}
int cuModuleUnload(void*) { return 0; }
int cuModuleGetFunction(Function** function, void*, const char* name) {
    static std::map<std::string, Function, std::less<>> functions;
    const Lock lock(mutex);
    for (const emu::Kernel& kernel : emu::kernels())
        if (kernel.name == name && exists(name)) {
            Function& f = functions[name];
            f.kernel = &kernel;
            *function = &f;
            return 0;
        }
    return kNotFound;
}
int cuFuncSetAttribute(Function* function, int attribute, int value) {
    if (attribute == 9) return value >= -1 && value <= 100 ? 0 : kInvalidValue;
    if (attribute != 8 || value > most_shared()) return kInvalidValue;
    function->shared_limit = value;
    return 0;
}
int cuLaunchKernel(Function* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   Stream* stream, void** parameters, void**) {
    const Lock lock(mutex);
    if (gy != 1 || gz != 1 || by != 1 || bz != 1 || gx == 0 || bx == 0 || static_cast<int>(bx) > f->kernel->threads ||
        static_cast<int>(shared) > f->shared_limit)
        return kInvalidValue;
    struct alignas(64) Block {
        unsigned char bytes[1024];
    };
    auto copy = std::make_shared<Block>();
    std::memcpy(copy->bytes, parameters[0], f->kernel->parameter_bytes);
    stream = real(stream);
    if (!streams.contains(stream)) return kInvalidHandle;
    if (stream->capturing && !f->loaded) return 900;  // it would have to be loaded first
    f->loaded = true;
    const int device = stream->context->device;
    return put(stream, {[=] {
        emu::Launch launch{static_cast<int>(gx), static_cast<int>(bx), shared,
                           control.lazy ? emu::Schedule::lazy : emu::Schedule::eager, control.seed, emu::Fault::none, 0};
        const emu::Report report = emu::run(launch, [&] { f->kernel->run(copy->bytes); });
        ++control.kernels;
        ++control.kernels_on_device[device];
        if (!report.error.empty()) {
            complain(std::string(f->kernel->name) + ": " + report.error);
            failed = true;
        }
    }});
}
int cuMemGetInfo_v2(std::size_t* free_bytes, std::size_t* total) {
    *total = control.memory;
    *free_bytes = control.memory - static_cast<std::size_t>(control.bytes_in_use);
    return 0;
}
int cuMemAlloc_v2(std::uint64_t* address, std::size_t bytes) {
    const Lock lock(mutex);
    if (stack.empty()) return kInvalidContext;
    ++control.allocations;
    std::size_t used = 0;
    for (const auto& [at, a] : allocations)
        if (!a.host && a.device == stack.back()->device) used += a.bytes;
    if (bytes == 0) return kInvalidValue;
    if (used + bytes > control.memory) {
        ++control.failed_allocations;
        return kOutOfMemory;
    }
    *address = add_allocation(bytes, false);
    control.bytes_in_use += static_cast<std::int64_t>(bytes);
    control.most_bytes = std::max(control.most_bytes, control.bytes_in_use);
    return 0;
}
int cuMemFree_v2(std::uint64_t address) {
    const Lock lock(mutex);
    return remove_allocation(address, false);
}
int cuMemHostAlloc(void** address, std::size_t bytes, unsigned) {
    const Lock lock(mutex);
    if (stack.empty()) return kInvalidContext;
    ++control.host_allocations;
    *address = reinterpret_cast<void*>(add_allocation(bytes, true));
    return 0;
}
int cuMemFreeHost(void* address) {
    const Lock lock(mutex);
    return remove_allocation(reinterpret_cast<std::uint64_t>(address), true);
}
int cuMemcpyHtoD_v2(std::uint64_t to, const void* from, std::size_t bytes) {
    const Lock lock(mutex);
    if (!inside(to, bytes, false)) return kInvalidValue;
    if (bytes == 0) return 0;
    // From pageable memory: back as soon as it is read; it lands later, on the default stream.
    const auto* begin = static_cast<const unsigned char*>(from);
    auto staged = std::make_shared<std::vector<unsigned char>>(begin, begin + bytes);
    return put(nullptr, {[=] { std::memcpy(reinterpret_cast<void*>(to), staged->data(), bytes); }});
}
int cuMemcpyHtoDAsync_v2(std::uint64_t to, const void* from, std::size_t bytes, Stream* stream) {
    const Lock lock(mutex);
    if (!inside(to, bytes, false)) return kInvalidValue;
    if (!inside(reinterpret_cast<std::uint64_t>(from), bytes, true)) complain("an asynchronous copy from memory that is not pinned");
    return put(stream, {[=] { std::memcpy(reinterpret_cast<void*>(to), from, bytes); }});
}
int cuMemcpyDtoHAsync_v2(void* to, std::uint64_t from, std::size_t bytes, Stream* stream) {
    const Lock lock(mutex);
    if (!inside(from, bytes, false)) return kInvalidValue;
    if (!inside(reinterpret_cast<std::uint64_t>(to), bytes, true)) complain("an asynchronous copy to memory that is not pinned");
    return put(stream, {[=] { std::memcpy(to, reinterpret_cast<const void*>(from), bytes); }});
}
int cuMemsetD8Async(std::uint64_t to, unsigned char value, std::size_t bytes, Stream* stream) {
    const Lock lock(mutex);
    if (!inside(to, bytes, false)) return kInvalidValue;
    return put(stream, {[=] { std::memset(reinterpret_cast<void*>(to), value, bytes); }});
}
int cuStreamCreate(Stream** stream, unsigned) {
    const Lock lock(mutex);
    if (stack.empty()) return kInvalidContext;
    *stream = new Stream;
    (*stream)->context = stack.back();
    streams.insert(*stream);
    return 0;
}
int cuStreamDestroy_v2(Stream* stream) {
    const Lock lock(mutex);
    if (!streams.contains(stream)) return kInvalidHandle;
    work_until([&] { return stream->queue.empty(); });
    streams.erase(stream);
    delete stream;
    return 0;
}
int cuStreamSynchronize(Stream* stream) {
    const Lock lock(mutex);
    stream = real(stream);
    if (!streams.contains(stream)) return kInvalidHandle;
    if (stream->capturing) return 900;
    work_until([&] { return stream->queue.empty() || control.error[0]; });
    return failed ? kLaunchFailed : 0;
}
int cuStreamWaitEvent(Stream* stream, Event* event, unsigned) {
    const Lock lock(mutex);
    Operation operation;
    operation.wait = event;
    operation.version = event->recorded;
    return put(stream, std::move(operation));
}
int cuEventCreate(Event** event, unsigned) {
    *event = new Event;
    return 0;
}
int cuEventDestroy_v2(Event* event) {
    const Lock lock(mutex);
    work_all();
    delete event;
    return 0;
}
int cuEventRecord(Event* event, Stream* stream) {
    const Lock lock(mutex);
    const std::int64_t version = ++event->recorded;
    ++control.events;
    return put(stream, {[=] {
        event->reached = std::max(event->reached, version);
        event->when = std::chrono::steady_clock::now();
    }});
}
int cuEventSynchronize(Event* event) {
    const Lock lock(mutex);
    const std::int64_t version = event->recorded;
    work_until([&] { return event->reached >= version || control.error[0]; });
    return failed ? kLaunchFailed : 0;
}
int cuEventElapsedTime(float* milliseconds, Event* first, Event* last) {
    *milliseconds = std::chrono::duration<float, std::milli>(last->when - first->when).count();
    return 0;
}
int cuStreamBeginCapture_v2(Stream* stream, int) {
    const Lock lock(mutex);
    if (stream->capturing) return kInvalidValue;
    stream->capturing = true;
    stream->captured.clear();
    return 0;
}
int cuStreamEndCapture(Stream* stream, Graph** graph) {
    const Lock lock(mutex);
    if (!stream->capturing) return kInvalidValue;
    stream->capturing = false;
    *graph = new Graph{std::move(stream->captured)};
    return 0;
}
int cuGraphInstantiateWithFlags(Graph** exec, Graph* graph, unsigned long long) {
    if (control.graphs_fail) return kInvalidValue;
    *exec = new Graph(*graph);
    return 0;
}
int cuGraphLaunch(Graph* exec, Stream* stream) {
    const Lock lock(mutex);
    ++control.graph_launches;
    for (const Operation& operation : exec->operations)
        if (const int result = put(stream, operation)) return result;
    return 0;
}
int cuGraphExecDestroy(Graph* exec) {
    const Lock lock(mutex);
    work_all();
    delete exec;
    return 0;
}
int cuGraphDestroy(Graph* graph) {
    delete graph;
    return 0;
}
int cuGetErrorString(int error, const char** text) {
    *text = error == kOutOfMemory ? "out of memory" : error == kLaunchFailed ? "unspecified launch failure" : "invalid";
    return 0;
}
int cuTensorMapEncodeTiled(void* to, int type, unsigned rank, void* base, const std::uint64_t* dims, const std::uint64_t* strides,
                           const std::uint32_t* box, const std::uint32_t* element_strides, int interleave, int swizzle, int,
                           int fill) {
    if (rank != 3 || interleave || swizzle || fill || (reinterpret_cast<std::uint64_t>(base) & 15))
        return kInvalidValue;
    emu::TensorMap map{};
    map.base = reinterpret_cast<std::uint64_t>(base);
    map.element_bytes = type == 4 ? 8 : 0;
    if (!map.element_bytes || box[0] * static_cast<std::uint32_t>(map.element_bytes) % 16) return kInvalidValue;
    for (int i = 0; i < 3; ++i) {
        if (box[i] == 0 || box[i] > 256 || element_strides[i] != 1 || dims[i] == 0) return kInvalidValue;
        map.dim[i] = static_cast<std::int64_t>(dims[i]);
        map.box[i] = static_cast<std::int32_t>(box[i]);
        if (i < 2) {
            if (strides[i] % 16) return kInvalidValue;
            map.stride[i] = static_cast<std::int64_t>(strides[i]);
        }
    }
    std::memset(to, 0, 128);
    std::memcpy(to, &map, sizeof map);
    return 0;
}

// ---- What FFmpeg asks of a driver: the names it must find, and what its copies of frames need ----
int cuDevicePrimaryCtxRelease(int) { return 0; }
int cuDevicePrimaryCtxGetState(int, unsigned* flags, int* active) {
    *flags = control.context_flags;
    *active = 1;
    return 0;
}
int cuCtxGetDevice(int* device) {
    if (stack.empty()) return kInvalidContext;
    *device = stack.back()->device;
    return 0;
}
int cuGetErrorName(int, const char** text) {
    *text = "CUDA_ERROR";
    return 0;
}
int cuStreamQuery(Stream*) { return 0; }
int cuEventQuery(Event* event) { return event->reached >= event->recorded ? 0 : 600; }

struct Copy2D {  // CUDA_MEMCPY2D
    std::size_t from_x, from_y;
    int from_type;
    const void* from_host;
    std::uint64_t from_device;
    void* from_array;
    std::size_t from_pitch, to_x, to_y;
    int to_type;
    void* to_host;
    std::uint64_t to_device;
    void* to_array;
    std::size_t to_pitch, width_bytes, height;
};
int cuMemcpy2DAsync_v2(const Copy2D* c, Stream* stream) {
    const Lock lock(mutex);
    constexpr int kHost = 1, kDevice = 2;
    if ((c->from_type != kHost && c->from_type != kDevice) || (c->to_type != kHost && c->to_type != kDevice)) return kInvalidValue;
    const std::uint64_t from = (c->from_type == kHost ? reinterpret_cast<std::uint64_t>(c->from_host) : c->from_device) + c->from_y * c->from_pitch + c->from_x;
    const std::uint64_t to = (c->to_type == kHost ? reinterpret_cast<std::uint64_t>(c->to_host) : c->to_device) + c->to_y * c->to_pitch + c->to_x;
    const auto good = [&](int type, std::uint64_t at, std::size_t pitch) {
        return type == kHost || (pitch >= c->width_bytes && inside(at, pitch * (c->height - 1) + c->width_bytes, false));
    };
    if (c->height == 0 || c->width_bytes == 0) return 0;
    if (!good(c->from_type, from, c->from_pitch) || !good(c->to_type, to, c->to_pitch)) return kInvalidValue;
    const Copy2D copy = *c;
    const auto row_by_row = [=] {
        for (std::size_t y = 0; y < copy.height; ++y)
            std::memcpy(reinterpret_cast<void*>(to + y * copy.to_pitch), reinterpret_cast<const void*>(from + y * copy.from_pitch), copy.width_bytes);
    };
    ++control.copies_2d;
    const int result = put(stream, {row_by_row});
    // Pageable memory cannot be copied from or to in the background.
    if (result == 0 && (c->from_type == kHost || c->to_type == kHost) && !real(stream)->capturing)
        work_until([&] { return real(stream)->queue.empty() || control.error[0]; });
    return result;
}
int cuMemcpy2D_v2(const Copy2D* c) {
    const int result = cuMemcpy2DAsync_v2(c, nullptr);
    return result ? result : cuStreamSynchronize(nullptr);
}

// Never called here.
#define ENLARGE_STUBS(X)                                                                                              \
    X(cuArray3DCreate_v2) X(cuArrayDestroy) X(cuCtxCreate_v2) X(cuCtxDestroy_v2) X(cuCtxSetLimit)                     \
    X(cuDestroyExternalMemory) X(cuDestroyExternalSemaphore) X(cuDeviceComputeCapability) X(cuDeviceGetUuid)         \
    X(cuDevicePrimaryCtxReset) X(cuDevicePrimaryCtxSetFlags) X(cuEGLStreamConsumerDisconnect)                        \
    X(cuEGLStreamProducerConnect) X(cuEGLStreamProducerDisconnect) X(cuEGLStreamProducerPresentFrame)                \
    X(cuEGLStreamProducerReturnFrame) X(cuExternalMemoryGetMappedBuffer) X(cuExternalMemoryGetMappedMipmappedArray)  \
    X(cuGLGetDevices_v2) X(cuGraphicsGLRegisterImage) X(cuGraphicsMapResources)                                      \
    X(cuGraphicsResourceGetMappedPointer_v2) X(cuGraphicsSubResourceGetMappedArray) X(cuGraphicsUnmapResources)      \
    X(cuGraphicsUnregisterResource) X(cuImportExternalMemory) X(cuImportExternalSemaphore) X(cuLinkAddData)          \
    X(cuLinkComplete) X(cuLinkCreate) X(cuLinkDestroy) X(cuMemAllocManaged) X(cuMemAllocPitch_v2) X(cuMemcpy)        \
    X(cuMemcpyAsync) X(cuMemcpyDtoDAsync_v2) X(cuMemcpyDtoD_v2) X(cuMemcpyDtoH_v2) X(cuMipmappedArrayDestroy)        \
    X(cuMipmappedArrayGetLevel) X(cuModuleGetGlobal) X(cuSignalExternalSemaphoresAsync) X(cuStreamAddCallback)       \
    X(cuTexObjectCreate) X(cuTexObjectDestroy) X(cuWaitExternalSemaphoresAsync)
#define ENLARGE_STUB(name) \
    int name() { return 801; }
ENLARGE_STUBS(ENLARGE_STUB)
}
