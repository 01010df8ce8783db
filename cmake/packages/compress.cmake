# SPDX-License-Identifier: Apache-2.0
# CPack calls this when the files of all packages lie in their folders: manual pages are compressed, as Debian wants it.
file(GLOB_RECURSE pages ${CPACK_TEMPORARY_DIRECTORY}/*.[1-8])
list(FILTER pages INCLUDE REGEX /share/man/)
foreach(page ${pages})
  execute_process(COMMAND gzip -9n ${page} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
