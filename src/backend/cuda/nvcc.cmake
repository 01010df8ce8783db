# SPDX-License-Identifier: Apache-2.0
# Compiles the kernels: one cubin per source and architecture (so that they build in parallel and only what changed builds
# again), packed into one fat binary per source, put into the library as data. CMake's own CUDA language is not used: no
# CUDA code is linked, the driver loads the images at run time.
#
# A hot kernel that spills registers fails the build: check_spills.cmake reads what ptxas says.
find_program(ENLARGE_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES bin PATHS /usr/local/cuda/bin)
if(NOT ENLARGE_NVCC)
  if(ENLARGE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "ENLARGE_CUDA=ON, but nvcc was not found (set CUDA_HOME)")
  endif()
  message(STATUS "CUDA: nvcc was not found; the CUDA backend is built without kernels and will say so")
  return()
endif()
get_filename_component(cuda_bin ${ENLARGE_NVCC} DIRECTORY)
find_program(ENLARGE_FATBINARY fatbinary HINTS ${cuda_bin})
execute_process(COMMAND ${ENLARGE_NVCC} --list-gpu-code OUTPUT_VARIABLE known ERROR_QUIET RESULT_VARIABLE failed)
execute_process(COMMAND ${ENLARGE_NVCC} --version OUTPUT_VARIABLE version_text ERROR_QUIET)
if(failed OR NOT ENLARGE_FATBINARY OR NOT version_text MATCHES "release ([0-9]+)\\.([0-9]+)" OR CMAKE_MATCH_1 LESS 12)
  message(STATUS "CUDA: ${ENLARGE_NVCC} is unusable or older than CUDA 12; the CUDA backend is built without kernels")
  return()
endif()
set(toolkit_name ${CMAKE_MATCH_1}.${CMAKE_MATCH_2})
math(EXPR toolkit "${CMAKE_MATCH_1} * 1000 + ${CMAKE_MATCH_2} * 10")
set(architectures "")
foreach(arch 75 80 86 89 90a 100 120)
  string(REGEX REPLACE "a$" "" plain ${arch})
  if(known MATCHES "sm_${plain}([^0-9]|$)")
    list(APPEND architectures ${arch})
  endif()
endforeach()
include(${CMAKE_CURRENT_SOURCE_DIR}/architectures.cmake)
set(gpus "")
if(ENLARGE_CUDA_ARCHITECTURES STREQUAL "native")
  cuda_gpus(gpus)
  if(NOT gpus)
    message(STATUS "CUDA: there is no NVIDIA GPU here; the CUDA backend is built without kernels (ENLARGE_CUDA_ARCHITECTURES=all for other computers)")
    return()
  endif()
endif()
cuda_architectures(architectures "${architectures}" "${ENLARGE_CUDA_ARCHITECTURES}" "${gpus}")
list(JOIN architectures " " architecture_names)
if(architecture_names STREQUAL "")
  set(architecture_names "PTX alone")
endif()
message(STATUS "CUDA: ${toolkit_name}, kernels for ${architecture_names}")

# Sources and the architectures they exist for. Code for sm_80 runs on 86 and 89 too; only the hot kernels are worth
# scheduling for each. PTX of compute_80 keeps the door open for GPUs that do not exist yet.
set(sources_conv_mma ${architectures})
set(sources_conv_float ${architectures})
set(sources_plain ${architectures})
list(TRANSFORM sources_plain REPLACE "^8[69]$" 80)
list(REMOVE_DUPLICATES sources_plain)
set(sources_tensors ${sources_plain})
set(sources_conv_hopper "")
if(90a IN_LIST architectures)
  set(sources_conv_hopper 90a)
endif()
set(sources_ceiling ${architectures})
include(${CMAKE_CURRENT_SOURCE_DIR}/kernel_inputs.cmake)
set(images "")
set(assembly "")
foreach(source conv_mma conv_float plain tensors conv_hopper ceiling)
  set(parts "")
  set(files "")
  kernel_inputs(${CMAKE_CURRENT_SOURCE_DIR}/${source}.cu headers)
  foreach(arch ${sources_${source}})
    set(cubin ${CMAKE_CURRENT_BINARY_DIR}/${source}.${arch}.cubin)
    add_custom_command(
      OUTPUT ${cubin}
      COMMAND ${CMAKE_COMMAND} -DNVCC=${ENLARGE_NVCC} -DHOST=${CMAKE_CXX_COMPILER} -DARCH=${arch} -DOUTPUT=${cubin}
              -DSOURCE=${CMAKE_CURRENT_SOURCE_DIR}/${source}.cu -P ${CMAKE_CURRENT_SOURCE_DIR}/compile_kernels.cmake
      DEPENDS ${headers} ${CMAKE_CURRENT_SOURCE_DIR}/compile_kernels.cmake
      COMMENT "CUDA ${source} sm_${arch}" VERBATIM)
    list(APPEND files ${cubin})
    list(APPEND parts --image3=kind=elf,sm=${arch},file=${cubin})
  endforeach()
  if(NOT source STREQUAL conv_hopper)
    set(ptx ${CMAKE_CURRENT_BINARY_DIR}/${source}.80.ptx)
    add_custom_command(
      OUTPUT ${ptx}
      COMMAND ${CMAKE_COMMAND} -DNVCC=${ENLARGE_NVCC} -DHOST=${CMAKE_CXX_COMPILER} -DARCH=80 -DPTX=ON -DOUTPUT=${ptx}
              -DSOURCE=${CMAKE_CURRENT_SOURCE_DIR}/${source}.cu -P ${CMAKE_CURRENT_SOURCE_DIR}/compile_kernels.cmake
      DEPENDS ${headers}
      COMMENT "CUDA ${source} compute_80" VERBATIM)
    list(APPEND files ${ptx})
    list(APPEND parts --image3=kind=ptx,sm=80,file=${ptx})
  endif()
  if(NOT files)
    continue()
  endif()
  set(image ${CMAKE_CURRENT_BINARY_DIR}/${source}.fatbin)
  add_custom_command(OUTPUT ${image} COMMAND ${ENLARGE_FATBINARY} -64 --compress-all --create=${image} ${parts}
                     DEPENDS ${files} COMMENT "CUDA ${source}" VERBATIM)
  list(APPEND images ${image})
  string(APPEND assembly "asm(\".section .rodata\\n.balign 64\\n.globl enlarge_cuda_${source}\\n.hidden enlarge_cuda_${source}\\n\"\n"
                         "    \"enlarge_cuda_${source}:\\n.incbin \\\"${image}\\\"\\n.byte 0\\n.previous\\n\");\n"
                         "extern \"C\" const unsigned char enlarge_cuda_${source}[];\n")
  string(APPEND table "    enlarge_cuda_${source},\n")
endforeach()
set(generated ${CMAKE_CURRENT_BINARY_DIR}/images.cpp)
file(CONFIGURE OUTPUT ${generated} @ONLY CONTENT "// Generated by nvcc.cmake.
@assembly@
namespace enlarge::cuda {
extern const void* const built_images[];
const void* const built_images[] = {
@table@    nullptr};
}  // namespace enlarge::cuda
")
target_sources(enlarge_backend_cuda PRIVATE ${generated})
set_source_files_properties(${generated} PROPERTIES OBJECT_DEPENDS "${images}")
set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/image.cpp PROPERTIES COMPILE_DEFINITIONS
  "ENLARGE_CUDA_KERNELS;ENLARGE_CUDA_TOOLKIT=${toolkit};ENLARGE_CUDA_ARCHITECTURES=\"${architecture_names}\"")
set_property(GLOBAL PROPERTY ENLARGE_CUDA_IMAGES ${images})
