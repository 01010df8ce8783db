# SPDX-License-Identifier: Apache-2.0
# Which architectures to compile kernels for.

# cuda_architectures(OUT BUILT WANTED GPUS): of BUILT (what there are kernels for and nvcc knows, such as "75;80;86;90a"),
# those that WANTED names: "all", a list, or "native": what runs on each of GPUS, compute capabilities such as "8.6".
# Code for x.y runs on x.z with z >= y, so a GPU gets the best of its own major version; one that is older or newer than all
# gets none (newer ones: PTX, which is always there).
function(cuda_architectures out built wanted gpus)
  if(wanted STREQUAL "all")
    set(${out} ${built} PARENT_SCOPE)
    return()
  endif()
  set(chosen "")
  if(wanted STREQUAL "native")
    foreach(gpu ${gpus})
      if(NOT gpu MATCHES "^([0-9]+)\\.([0-9])$")
        continue()
      endif()
      set(major ${CMAKE_MATCH_1})
      set(minor ${CMAKE_MATCH_2})
      set(best "")
      foreach(arch ${built})
        string(REGEX REPLACE "a$" "" plain ${arch})
        math(EXPR arch_major "${plain} / 10")
        math(EXPR arch_minor "${plain} % 10")
        if(arch_major EQUAL major AND NOT arch_minor GREATER minor)
          set(best ${arch})  # they are in order
        endif()
      endforeach()
      list(APPEND chosen ${best})
    endforeach()
  else()
    foreach(arch ${wanted})
      if(NOT arch IN_LIST built)
        list(JOIN built " " names)
        message(FATAL_ERROR "ENLARGE_CUDA_ARCHITECTURES names ${arch}; there are: ${names}; or all, or native")
      endif()
      list(APPEND chosen ${arch})
    endforeach()
  endif()
  list(REMOVE_DUPLICATES chosen)
  set(${out} ${chosen} PARENT_SCOPE)
endfunction()

# cuda_gpus(OUT): compute capabilities of the GPUs that are here; empty where there is no driver.
function(cuda_gpus out)
  set(${out} "" PARENT_SCOPE)
  find_program(ENLARGE_NVIDIA_SMI nvidia-smi)
  if(ENLARGE_NVIDIA_SMI)
    execute_process(COMMAND ${ENLARGE_NVIDIA_SMI} --query-gpu=compute_cap --format=csv,noheader OUTPUT_VARIABLE text ERROR_QUIET
                    RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE TIMEOUT 60)
    if(NOT failed)
      string(REGEX MATCHALL "[0-9]+\\.[0-9]" found "${text}")
      set(${out} ${found} PARENT_SCOPE)
    endif()
  endif()
endfunction()
