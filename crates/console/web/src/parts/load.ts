// Something that the server tells, as it is now.

import { useCallback, useEffect, useState } from "preact/hooks";
import { get, told } from "../api/client";

export interface Loaded<T> {
  value: T | null;
  problem: string;
  again: () => void;
}

/** What is at this address; again whenever it changes or `again` is called. */
export function useLoaded<T>(address: string): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState("");
  const [count, setCount] = useState(0);
  useEffect(() => {
    let left = false;
    get<T>(address).then(
      (found) => {
        if (left) return;
        setValue(found);
        setProblem("");
      },
      (error: unknown) => {
        if (!left) setProblem(told(error));
      },
    );
    return () => {
      left = true;
    };
  }, [address, count]);
  const again = useCallback(() => setCount((count) => count + 1), []);
  return { value, problem, again };
}
