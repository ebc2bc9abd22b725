/** A run whose result is not what it must be. */
final class WrongResultException extends Exception {
    private static final long serialVersionUID = 1;

    WrongResultException(String message) {
        super(message);
    }
}
