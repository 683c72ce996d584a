import { TransportError } from "./types.js";

/** A native package that cannot be loaded, with what is missing and how to get it. */
export function packageMissing(name: string, cause: Error, packages: string): TransportError {
  const library = /lib[\w+-]+\.so[.\d]*/.exec(cause.message)?.[0];
  const problem = library === undefined ? "" : `: ${library} is missing`;
  return new TransportError(
    "TRANSPORT_PACKAGE",
    `the package '${name}' cannot be loaded${problem}`,
    {
      cause,
      details: { package: name, ...(library === undefined ? {} : { library }) },
      hint: `install the system libraries (Debian: apt install ${packages}), then run npm ci again`,
    },
  );
}
