// Runs PyTorch's own CUDA caching allocator (libc10_cuda) without a GPU, on a driver that only counts.
//
// Usage: real_allocator DRIVER_BYTES TOTAL_BYTES FRACTION < trace
// A trace has one command per line: "a BYTES" allocates, "f NUMBER" frees the allocation of that number (counted from
// 0, failed ones included), "e" empties the cache. For each command, one line comes out: the current allocated and
// reserved bytes, the number of retries, the number of out-of-memory errors, and the size of the block ("-1" without).
// The settings are those of the environment.

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/util/Exception.h>
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstring>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

namespace {
constexpr size_t kFirstAddress = 0x100000000000;
size_t driver_bytes = 0;  // what is left of the card's memory
size_t total_bytes = 0;   // what PyTorch takes a fraction of
size_t used_bytes = 0;
size_t next_address = kFirstAddress;
std::unordered_map<size_t, size_t> sizes;

size_t reserve(size_t bytes, size_t alignment) {
  size_t address = (next_address + alignment - 1) / alignment * alignment;
  next_address = address + bytes;
  return address;
}

CUresult memory_create(
    CUmemGenericAllocationHandle* handle, size_t bytes, const CUmemAllocationProp*, unsigned long long) {
  if (used_bytes + bytes > driver_bytes) return CUDA_ERROR_OUT_OF_MEMORY;
  used_bytes += bytes;
  *handle = reserve(bytes, 1);
  sizes[*handle] = bytes;
  return CUDA_SUCCESS;
}
CUresult memory_release(CUmemGenericAllocationHandle handle) {
  used_bytes -= sizes.at(handle);
  sizes.erase(handle);
  return CUDA_SUCCESS;
}
CUresult address_reserve(CUdeviceptr* address, size_t bytes, size_t, CUdeviceptr, unsigned long long) {
  *address = reserve(bytes, 2 << 20);
  return CUDA_SUCCESS;
}
CUresult device_attribute(int* value, CUdevice_attribute, CUdevice) {
  *value = 0;
  return CUDA_SUCCESS;
}
CUresult nothing() { return CUDA_SUCCESS; }
CUresult error_string(CUresult, const char** text) {
  *text = "error";
  return CUDA_SUCCESS;
}
}  // namespace

// What c10_cuda imports from the CUDA runtime. The executable's definitions come before the library's.
extern "C" {
cudaError_t cudaMalloc(void** address, size_t bytes) {
  if (used_bytes + bytes > driver_bytes) return cudaErrorMemoryAllocation;
  used_bytes += bytes;
  size_t at = reserve(bytes, 512);
  sizes[at] = bytes;
  *address = reinterpret_cast<void*>(at);
  return cudaSuccess;
}
cudaError_t cudaFree(void* address) {
  size_t at = reinterpret_cast<size_t>(address);
  if (at != 0) {
    used_bytes -= sizes.at(at);
    sizes.erase(at);
  }
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::memset(static_cast<void*>(properties), 0, sizeof *properties);
  properties->totalGlobalMem = total_bytes;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) { *count = 1; return cudaSuccess; }
cudaError_t cudaGetDevice(int* device) { *device = 0; return cudaSuccess; }
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaPeekAtLastError() { return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = driver_bytes - used_bytes;
  *total = total_bytes;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) { *least = 0; *greatest = 0; return cudaSuccess; }
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) { *version = 13000; return cudaSuccess; }
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode*) { return cudaSuccess; }
cudaError_t cudaGetDriverEntryPointByVersion(
    const char* name, void** function, unsigned int, unsigned long long, cudaDriverEntryPointQueryResult* result) {
  std::string symbol = name;
  *function = reinterpret_cast<void*>(&nothing);
  if (symbol == "cuMemCreate") *function = reinterpret_cast<void*>(&memory_create);
  if (symbol == "cuMemRelease") *function = reinterpret_cast<void*>(&memory_release);
  if (symbol == "cuMemAddressReserve") *function = reinterpret_cast<void*>(&address_reserve);
  if (symbol == "cuDeviceGetAttribute") *function = reinterpret_cast<void*>(&device_attribute);
  if (symbol == "cuGetErrorString") *function = reinterpret_cast<void*>(&error_string);
  if (result) *result = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}
}

int main(int count, char** arguments) {
  using namespace c10::cuda::CUDACachingAllocator;
  if (count != 4) return 2;
  driver_bytes = std::stoull(arguments[1]);
  total_bytes = std::stoull(arguments[2]);
  const double fraction = std::stod(arguments[3]);
  init(1);
  if (fraction < 1) setMemoryFraction(fraction, 0);
  std::vector<void*> allocations;
  std::string command;
  const auto aggregate = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  while (std::cin >> command) {
    int64_t block_bytes = -1;
    size_t operand = 0;
    if (command != "e") std::cin >> operand;
    if (command == "a") {
      const auto before = getDeviceStats(0).allocated_bytes[aggregate].current;
      void* address = nullptr;
      try {
        address = raw_alloc(operand);
        block_bytes = getDeviceStats(0).allocated_bytes[aggregate].current - before;
      } catch (const c10::OutOfMemoryError&) {
      }
      allocations.push_back(address);
    } else if (command == "f") {
      if (allocations[operand] != nullptr) raw_delete(allocations[operand]);
      allocations[operand] = nullptr;
    } else {
      emptyCache();
    }
    const auto stats = getDeviceStats(0);
    std::cout << stats.allocated_bytes[aggregate].current << ' ' << stats.reserved_bytes[aggregate].current << ' '
              << stats.num_alloc_retries << ' ' << stats.num_ooms << ' ' << block_bytes << '\n';
  }
}
